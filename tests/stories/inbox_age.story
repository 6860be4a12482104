# inbox_age.story: what waited for too long goes, and the device that it waited for is told so
with walk 200ms
with inbox_age 2s
alice.phone, bob.phone, bob.laptop on n1; all in #room
bob.phone   leaves
alice.phone sends 3 messages as b
bob.laptop  receives b1..b3 once
redis holds 0 events of bob
bob.phone   returns, is told of a gap, reloads
alice.phone sends "still here?" as m1 -> seq 4
bob.phone   receives m1 once
