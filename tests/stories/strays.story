# strays.story: sessions that the store and a node see differently are found, and told apart
nodes n1 n2
with walk 200ms
with grace 300ms
alice.phone on n1; bob.laptop, carol.tablet on n2; all in #room
alice.phone watches bob, sees bob online
redis wants carol.tablet to end with 4202
carol.tablet is closed with 4202
redis believes in another device beside bob.laptop
bob.laptop  leaves
alice.phone sees bob offline
backend sees bob offline
