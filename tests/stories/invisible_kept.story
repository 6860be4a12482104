# invisible_kept.story: a user who is invisible stays so when the store has lost its past
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; all in #room
alice.phone watches bob, sees bob online
bob.phone   has status invisible
alice.phone sees bob offline
bob.laptop  leaves
wipe redis
bob.phone   is told of a reset
backend sees bob offline
carol.phone on n1; carol.phone watches bob, sees bob offline
bob.phone   has status online
carol.phone sees bob online
