# typing_devices.story: who types is a user: whatever device it types on, and by whatever way its message comes
nodes n1 n2
with typing_ttl 5m
alice.phone, carol.phone on n1; alice.laptop, bob.phone on n2; all in #room
# another device sends what was typed
alice.phone types
bob.phone   sees alice typing
alice.laptop sends "from the laptop" as m1
bob.phone   receives m1, sees alice no longer typing
# who types again within 2 s is told of when they are over; a sync brings the message
alice.phone types
bob.phone   sees alice typing
alice.tablet on n1
alice.tablet leaves, syncs with "by sync" as m2
bob.phone   receives m2, sees alice no longer typing
# the backend sends it
alice.phone types
bob.phone   sees alice typing
backend sends "by the backend" from alice as m3
bob.phone   receives m3, sees alice no longer typing
# a send that is refused ends nothing, nor does a reaction
bob.phone   sends "mine" as m4
alice.phone types
bob.phone   sees alice typing
alice.phone edits m4 to "yours" -> error forbidden
alice.phone reacts to m4 with "+1" as m5
alice.phone signals "still here"
bob.phone   receives signal "still here", sees alice typing
# of two devices that type, the latest ends it, and no word of the other does later
alice.laptop types
alice.laptop signals "me too"
bob.phone   receives signal "me too"
alice.phone stops typing
alice.phone signals "I stop"
bob.phone   receives signal "I stop", sees alice typing
alice.laptop stops typing
bob.phone   sees alice no longer typing
# a connection that ends takes its typing with it; who types on behind it is told of again
carol.phone types
bob.phone   sees carol typing
carol.phone flickers
bob.phone   is told that carol stopped typing
carol.phone types
bob.phone   sees carol typing
# who is no member any more does not type there
backend removes carol from #room
bob.phone   sees carol no longer typing
