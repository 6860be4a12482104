# redis_private.story: the private Redis dies by kill -9 and is brought back with all it had
workers 2
a private redis
alice.phone, bob.phone on n1; all in #room
alice.phone sends 100 messages as a
restart redis
alice.phone begins to send "during" as m1
alice.phone has m1 stored                     -> seq 101
bob.phone   receives a1..a100 m1 in order once
bob.phone   sends "after" as m2               -> seq 102
alice.phone receives m2 once
