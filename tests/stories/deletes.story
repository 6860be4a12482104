# deletes.story: what was deleted is read by nobody any more, neither in history nor by a device that was away
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; carol.phone on n1; all in #room
alice.phone sends "the code is 1234" as m1, sends "stays" as m2
bob.phone   receives m1 m2
all catch up
bob.laptop  leaves
alice.phone sends "the code is 5678" as m3
alice.phone edits m3 to "the code is 9999" as m4
bob.phone   asks conversations -> #room unread 3
bob.phone   reacts to m3 with "+1" as m5
bob.phone   deletes m3 -> error forbidden
alice.phone deletes m3 as m6, deletes m3 -> error conflict, edits m3 to "again" -> error conflict
bob.phone   reacts to m3 with "-1" -> error conflict
alice.phone sends m6 again -> same seq
bob.phone   receives m6, sees m6 as delete of m3
bob.phone   asks history -> m3 is deleted
bob.phone   asks history -> m4 is without its text
bob.phone   asks history -> m3 has 2 versions without text
bob.phone   asks conversations -> #room unread 2
bob.phone   asks conversations -> #room ends with m3 deleted
bob.laptop  returns on n1, receives m3 without its text, receives m4 without its text, receives m5 m6
# an admin may too
bob.phone   deletes m1 -> error forbidden
backend makes carol owner of #room
carol.phone deletes m1 as m7
bob.phone   receives m7, asks history -> m1 is deleted by carol
bob.phone   asks conversations -> #room unread 1
bob.phone   asks history -> m2 reads "stays"
alice.phone deletes m7 -> error conflict
