# cursor_kept.story: a device that lost its store goes on where the hub knows it was
alice.phone, bob.phone on n1; all in #room
alice.phone sends "known" as m1
bob.phone   receives m1
alice.phone sees m1 delivered to bob
bob.phone   leaves, forgets its cursor
alice.phone sends "news" as m2
bob.phone   returns, receives m2 once, receives m1 once, catches up
backend sees nothing waiting for bob.phone
