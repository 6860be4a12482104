# log_age.story: what is too old is gone from the history, and its seq does not come again
with walk 200ms
with log_age 2s
alice.phone, bob.phone on n1; all in #room
alice.phone sends 3 messages as b
bob.phone   receives b1..b3 once
redis holds 0 entries of #room
alice.phone sends "and on" as m1 -> seq 4
bob.phone   receives m1 once
redis holds 0 entries of #room
