# window.story: who acknowledges nothing is sent one window and no more, and loses nothing
with requests_per_s 0
alice.phone on n1; bob.phone on n1; bob.laptop on n1; all in #room
bob.phone   holds its acks
alice.phone sends 600 messages as b
bob.laptop  receives b1..b600 in order once
bob.phone   receives b1..b200 in order, pings
bob.phone   acknowledges again, receives b1..b600 in order once
