# gap.story: who was away for longer than an inbox holds is told so, and finds the rest in the history
with inbox_events 500
alice.phone, bob.phone on n1; all in #room
bob.phone   leaves
alice.phone sends 1,300 messages as b
bob.phone   returns, is told of a gap, reloads, receives b1..b1300 once
alice.phone sends "still here?" as m1
bob.phone   receives m1 once
