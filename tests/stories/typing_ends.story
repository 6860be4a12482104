# typing_ends.story: who types and says no more types no longer after a while
with typing_ttl 1s
alice.phone, bob.phone on n1; all in #room
bob         types
alice.phone sees bob typing, sees bob no longer typing
