# replaced.story: a device has one session, the newest, wherever it is
nodes n1 n2
alice.phone, bob.phone on n1; all in #room
alice.phone sends "to the old one" as m1
bob.phone   receives m1
bob.twin    on n2 as bob.phone
bob.phone   is closed with 4409, stays away
alice.phone sends "to the new one" as m2
bob.twin    receives m2 once
bob.phone   returns on n1
bob.twin    is closed with 4409, stays away
bob.phone   receives m2 once
