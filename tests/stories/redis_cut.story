# redis_cut.story: links to Redis break, and what went through Redis meanwhile is not missed
nodes n1 n2
alice.phone on n1; bob.phone on n2; all in #room
cut redis
alice.phone sends "one" as m1                 -> seq 1
bob.phone   receives m1 once
alice.phone begins to send "two" as m2; cut redis
alice.phone has m2 stored                     -> seq 2
bob.phone   receives m1 m2 in order once
bob.phone   sends "three" as m3               -> seq 3
cut redis; cut redis
alice.phone receives m1 m2 m3 in order once
