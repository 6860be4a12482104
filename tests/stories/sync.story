# sync.story: a phone in the background gets and sends everything in one request, and nobody sees it come
with grace 300ms
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; all in #room
alice.phone watches bob
bob.phone   leaves; bob.laptop leaves
alice.phone sees bob offline
alice.phone sends "are you there?" as m1      -> seq 1
bob.phone   syncs, receives m1
alice.phone sees m1 delivered to bob, sees m1 not read by bob
bob.phone   syncs; backend sees nothing waiting for bob.phone
bob.phone   syncs with "yes, in my pocket" as m2 -> seq 2
alice.phone, bob.phone receive m2
bob.phone   syncs with m1 read
alice.phone sees m1 read by bob, saw bob offline once
backend sees bob offline
alice.phone sends 300 messages as b
bob.phone   syncs, receives b1..b300 in order
alice.phone sees b300 delivered to bob
bob.phone   returns on n1, receives nothing more
bob.laptop  returns, receives m1 m2 b1..b300 in order once
