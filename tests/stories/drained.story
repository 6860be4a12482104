# drained.story: a hub that keeps no history drops what every device has, and nothing before
with walk 200ms
with log_delivered_age 300ms
alice.phone, bob.phone, bob.laptop on n1; all in #room
bob.laptop  leaves
alice.phone sends 3 messages as b
bob.phone   receives b1..b3 once
alice.phone sends "still here?" as m1 -> seq 4
redis holds 4 entries of #room
bob.laptop  returns, receives b1..b3 once, receives m1 once
redis holds 0 entries of #room
redis holds 0 events of bob
redis holds 0 events of alice
alice.phone sends "and on" as m2 -> seq 5
bob.laptop  receives m2 once
