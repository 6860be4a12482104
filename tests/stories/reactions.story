# reactions.story: everyone may react, and history shows the reactions with their message
alice.phone, bob.phone, carol.phone on n1; all in #room
mallory.phone on n1
alice.phone sends "lunch?" as m1
bob.phone   reacts to m1 with "+1" as m2
alice.phone reacts to m1 with "hungry" as m3
carol.phone receives m1 m2 m3 in order, sees m2 as react of m1
carol.phone asks history -> m1 has reactions m2 m3
carol.phone asks history -> m1 reads "lunch?"
carol.phone asks history -> m1 m2 m3
carol.phone reacts to m2 with "a reaction to a reaction" -> error conflict
mallory.phone reacts to m1 with "+1" -> error forbidden
carol.phone asks conversations -> #room unread 1
bob.phone   sends m2 again -> same seq
carol.phone asks history -> m1 has reactions m2 m3
# a deleted message has none, and the reactions stay in the log
alice.phone deletes m1 as m4
carol.phone receives m4, asks history -> m1 has no reactions
carol.phone asks history after m1 -> m2 m3 m4
carol.phone asks conversations -> #room unread 0
