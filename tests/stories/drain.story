# drain.story: a node that is asked to end tells each client to come back, each at its own time, and ends with 0
nodes n1 n2
with drain 2s
alice.phone, alice.laptop, bob.phone, bob.laptop on n1; carol.phone, carol.laptop on n1; dave.phone on n2; all in #room
alice.phone sends "before" as m1              -> seq 1
all receive m1
alice.phone, alice.laptop, bob.phone, bob.laptop, carol.phone, carol.laptop head for n2
drain n1
alice.phone, alice.laptop, bob.phone, bob.laptop, carol.phone, carol.laptop are told to go away with their own delays
alice.phone, alice.laptop, bob.phone, bob.laptop, carol.phone, carol.laptop are closed with 4001
n1 ends with status 0
dave.phone  sends "meanwhile" as m2           -> seq 2
all receive m1 m2 in order once
