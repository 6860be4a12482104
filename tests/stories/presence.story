# presence.story: who is there is known to those who watch, and to the backend
nodes n1 n2
with grace 300ms
alice.phone on n1; bob.phone, bob.laptop on n2; all in #room
alice.phone watches bob, sees bob online
backend sees bob online
bob.phone   leaves
alice.phone never saw bob offline
backend sees bob online
bob.laptop  leaves
alice.phone sees bob offline
backend sees bob offline
bob.phone   returns on n1
alice.phone sees bob online
bob.phone   has status away
alice.phone sees bob away
bob.phone   has status invisible
alice.phone sees bob offline
bob.phone   has status online
alice.phone sees bob online
