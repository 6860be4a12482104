# receipts.story: the sender sees when a message was delivered and when it was read, and no receipt ever falls back
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; carol.phone on n1; all in #room
bob.phone leaves; bob.laptop leaves
alice.phone sends "first" as m1               -> seq 1
carol.phone receives m1
alice.phone sees m1 delivered to carol, sees m1 not delivered to bob
bob.laptop  returns, receives m1
alice.phone sees m1 delivered to bob, sees m1 not read by bob
bob.laptop  reads m1
alice.phone sees m1 read by bob
alice.phone sends "second" as m2; alice.phone sends "third" as m3
bob.laptop  receives m2 m3 in order, reads m3
alice.phone, carol.phone see m3 read by bob
bob.laptop  reads m1
alice.phone sends "fourth" as m4
bob.laptop  receives m4
alice.phone sees m4 delivered to bob, sees m3 read by bob, sees m4 not read by bob
bob.phone   returns, receives m1 m2 m3 m4 in order once
