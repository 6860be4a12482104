# live_delivery.story: a message reaches every device of every member at once, in one order, and the sender's own too
alice.phone, bob.phone on n1; bob.laptop on n1; carol.phone on n1; all in #room
alice.phone is welcomed fresh, catches up
alice.phone sends "good morning" as m1        -> seq 1
bob.phone, bob.laptop, carol.phone receive m1 once
bob.laptop  sends "morning!" as m2            -> seq 2
all receive m1 m2 in order once
alice.phone edits m1 to "good evening" as m3
bob.phone   reacts to m1 with "+1" as m4
bob.laptop  deletes m2 as m5
all receive m3 m4 m5 in order
carol.phone sees m3 as edit of m1, sees m4 as react of m1, sees m5 as delete of m2
all receive nothing more
