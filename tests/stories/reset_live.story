# reset_live.story: a store that is wiped under a running hub is noticed by every device that comes back
alice.phone, bob.phone on n1; all in #room
alice.phone sends "lost" as m1
bob.phone   receives m1
bob.phone   leaves
wipe redis
alice, bob in #room
bob.phone   returns, is told of a reset
backend sends "a new beginning" from alice as m2 to #room
bob.phone   receives m2
