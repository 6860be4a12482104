# edits.story: an edit reaches everyone, and history shows the message as it reads now, or all its versions
nodes n1 n2
alice.phone on n1; bob.phone on n2; carol.phone on n1; all in #room
alice.phone sends "helo" as m1 -> seq 1
alice.phone edits m1 to "hello" as m2, edits m1 to "hello!" as m3
bob.phone, carol.phone receive m1 m2 m3 in order
bob.phone   sees m3 as edit of m1
bob.phone   asks history -> m1 reads "hello!" in version 2
bob.phone   asks history -> m1 has versions "helo" "hello" "hello!"
bob.phone   asks history -> m2 reads "hello"
bob.phone   asks conversations -> #room ends with m1 reading "hello!"
bob.phone   asks conversations -> #room unread 1
# it is the author's alone, or an admin's, or the backend's
bob.phone   edits m1 to "mine" -> error forbidden
backend makes carol admin of #room
carol.phone edits m1 to "[hello]" as m4
bob.phone   receives m4, asks history -> m1 reads "[hello]" in version 3 by carol
backend edits m1 to "Hello." from editor as m5
bob.phone   receives m5, asks history -> m1 reads "Hello." in version 4 by editor
# repeated it is the same edit
alice.phone sends m2 again -> same seq
bob.phone   asks history -> m1 reads "Hello." in version 4 by editor
# what cannot be edited
alice.phone edits m2 to "an edit of an edit" -> error conflict
bob.phone   sends "not edited" as m6
carol.phone asks history -> m6 reads "not edited"
carol.phone asks history -> m6 has versions "not edited"
carol.phone asks conversations -> #room ends with m6 reading "not edited"
