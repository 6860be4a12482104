# dead_node_forgotten.story: what a dead node left in the store goes, though nobody asks for it
nodes n1 n2
with walk 200ms
alice.phone on n1; bob.phone on n2; all in #room
alice.phone watches bob and carol
bob.phone   watches carol
redis names 2 nodes for bob
redis names 2 nodes for carol
kill n1
redis names 0 nodes for alice
redis names 1 nodes for bob
redis names 1 nodes for carol
bob.phone   sends "still here?" as m1 -> seq 1
start n1
alice.phone is connected, receives m1 once
redis names 1 nodes for alice
