# redis_stall.story: Redis stands still for three seconds, and everything is only late
nodes n1 n2
with grace 1s
alice.phone, carol.phone on n1; bob.phone on n2; all in #room
alice.phone watches bob, sees bob online
alice.phone sends "before" as m1
stall redis 3s
alice.phone begins to send "during" as m2; bob.phone begins to send "me too" as m3
redis goes on
alice.phone has m2 stored; bob.phone has m3 stored
all receive m1 m2 m3 once
all are connected
backend sees bob online
