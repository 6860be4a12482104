# delivered_by_hello.story: what a device received before its connection broke counts as delivered when it comes back
nodes n1
alice.phone, bob.phone on n1; all in #room
bob.phone   holds its acks
alice.phone sends "did you get it?" as m1
bob.phone   receives m1
bob.phone   flickers
alice.phone sees m1 delivered to bob
