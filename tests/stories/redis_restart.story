# redis_restart.story: Redis dies and comes back: nobody is disconnected for it, nothing acknowledged is lost
nodes n1 n2
alice.phone on n1; bob.phone on n2; all in #room
alice.phone sends "before" as m1              -> seq 1
bob.phone   receives m1
kill redis
n1 is not ready
alice.phone begins to send "during" as m2
start redis
alice.phone has m2 stored                     -> seq 2
bob.phone   receives m1 m2 in order once
n1 is ready; n2 is ready
bob.phone   sends "after" as m3               -> seq 3
alice.phone receives m1 m2 m3 in order once
