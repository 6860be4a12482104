# flap.story: who loses the connection for a moment was never offline
nodes n1 n2
with grace 3s
alice.phone on n1; bob.phone, carol.phone on n2; all in #room
alice.phone watches bob and carol, sees bob online, sees carol online
bob.phone   flickers, flickers
bob.phone   drops
bob.phone   returns on n1
carol.phone leaves
alice.phone sees carol offline, never saw bob offline
backend sees bob online
bob.phone   drops
alice.phone sees bob offline
alice.phone saw bob offline once, saw carol offline once
