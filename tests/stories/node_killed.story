# node_killed.story: the whole hub dies by kill -9 and is started again on the same folder: all is there
workers 2
a private redis
alice.phone, bob.phone on n1; carol.phone on n1; all in #room
alice.phone sends 50 messages as a
carol.phone leaves
alice.phone begins to send "while it dies" as m1
kill n1
bob.phone   begins to send "while it is dead" as m2
start n1
alice.phone has m1 stored; bob.phone has m2 stored
alice.phone, bob.phone receive a1..a50 m1 m2 once
carol.phone returns, receives a1..a50 m1 m2 once
bob.phone   sends "alive" as m3               -> seq 53
all receive m3
