# idempotent.story: however often a send is repeated, it is one message
nodes n1 n2
alice.phone on n1; bob.phone on n2; all in #room
alice.phone sends "once" as m1                -> seq 1
alice.phone sends m1 again                    -> same seq
alice.phone flickers, sends m1 again          -> same seq
alice.phone moves to n2, sends m1 again       -> same seq
backend sends "also once" from alice as m2    -> seq 2
backend sends m2 again                        -> same seq
alice.phone sends m2 again                    -> same seq
bob.phone   receives m1 m2 in order once, receives nothing more
alice.phone receives m1 m2 in order once
bob.phone   asks history -> m1 m2
