# reset.story: when the store has lost its past, every device is told, and starts from what there is
alice.phone, bob.phone on n1; all in #room
alice.phone sends "lost" as m1; alice.phone sends "lost too" as m2
bob.phone   receives m1 m2 in order
bob.phone   leaves; alice.phone leaves
kill n1; wipe redis; start n1
alice, bob in #room
backend sends "a new beginning" from alice as m3 to #room -> seq 1
bob.phone   returns, is told of a reset, reloads, receives m3 once
alice.phone returns, is told of a reset, sends "hello again" as m4 -> seq 2
bob.phone   receives m4
