# typing.story: typing is told once in a while, and ends with the message or when it stops
nodes n1 n2
alice.phone on n1; bob.phone on n2; all in #room
bob.phone   types 5 times
alice.phone sees bob typing, was told once that bob types
bob.phone   was not told that bob types
bob.phone   sends "done" as m1
alice.phone receives m1, sees bob no longer typing
alice.phone types
bob.phone   sees alice typing
alice.phone stops typing
bob.phone   is told that alice stopped typing
alice.phone types
bob.phone   sees alice typing
