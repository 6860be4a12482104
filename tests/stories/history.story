# history.story: what was said can be looked up, by members
alice.phone, bob.phone, mallory.phone on n1
alice, bob in #room
alice.phone sends "one" as m1; bob.phone sends "two" as m2; alice.phone sends "three" as m3; alice.phone sends "four" as m4
bob.phone   receives m1 m2 m3 m4 in order
bob.phone   asks history -> m1 m2 m3 m4
bob.phone   asks history after m2 -> m3 m4
bob.phone   asks history limit 2 after m1 -> m2 m3 and more
bob.phone   asks members of #room -> alice and bob
bob.phone   reads m2, asks conversations -> #room unread 2
bob.phone   reads m4, asks conversations -> #room unread 0
mallory.phone asks conversations -> not #room
