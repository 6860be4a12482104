# sync_beside.story: a sync beside a session of the same device takes nothing from it
alice.phone on n1; bob.phone on n1; all in #room
alice.phone sends "one" as m1
bob.phone   receives m1 once
bob.phone   holds its acks
alice.phone sends "two" as m2
bob.phone   receives m2, syncs
alice.phone sees m2 delivered to bob
alice.phone sends "three" as m3
bob.phone   acknowledges again, receives m3 once, is connected
bob.phone   syncs with "four" as m4
alice.phone, bob.phone receive m4 once
