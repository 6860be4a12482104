# replay.story: a thousand messages that came meanwhile are replayed within the window, then what is new follows
with requests_per_s 0
alice.phone on n1; bob.phone on n1; all in #room
bob.phone   leaves
alice.phone sends 1,000 messages as b
backend sees at least 1,000 waiting for bob.phone
bob.phone   returns, receives b1..b1000 in order once, catches up
alice.phone sends "and one more" as m1        -> seq 1001
bob.phone   receives m1 once, receives nothing more
backend sees nothing waiting for bob.phone
