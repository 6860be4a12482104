# other_node_killed.story: a node dies; presence is right on the others within seconds, and its people come back there
nodes n1 n2
with grace 300ms
alice.phone on n1; bob.phone, carol.phone on n2; all in #room
alice.phone watches bob and carol, sees bob online, sees carol online
carol.phone sends "I was here" as m1
bob.phone   heads for n1
kill n2
bob.phone   is connected
alice.phone sees carol offline, sees bob online
backend sees carol offline; backend sees bob online
alice.phone sends "who is left?" as m2        -> seq 2
bob.phone   receives m1 m2 in order once
start n2
carol.phone is connected, receives m2 once
alice.phone sees carol online
