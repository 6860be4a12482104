# two_nodes.story: people on different nodes talk as if they were on one
nodes n1 n2
alice.phone, carol.phone on n1; bob.phone, alice.laptop on n2; all in #room
alice.phone sends "from n1" as m1             -> seq 1
bob.phone   receives m1, sends "from n2" as m2 -> seq 2
carol.phone receives m1 m2 in order once
alice.laptop receives m1 m2 in order once
bob.phone   types
carol.phone sees bob typing
alice.phone signals "ring"
bob.phone, carol.phone, alice.laptop receive signal "ring"
bob.phone   moves to n1
alice.phone sends "welcome here" as m3        -> seq 3
bob.phone   receives m3 once
all receive m1 m2 m3 in order once
