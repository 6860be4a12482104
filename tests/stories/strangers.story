# strangers.story: a conversation is closed to those who are not in it
alice.phone, bob.phone, mallory.phone on n1
alice, bob in #room
mallory in #own
alice.phone   sends "between us" as m1 to #room -> seq 1
bob.phone     receives m1
mallory.phone sends "let me in" to #room -> error forbidden
mallory.phone asks history of #room -> error forbidden, asks members of #room -> error forbidden
mallory.phone sends "anyone?" to #nowhere -> error not_found
mallory.phone asks history of #nowhere -> error not_found
mallory.phone does not receive m1, receives nothing more
bob.phone     receives nothing more, asks history of #room -> m1
alice.phone   sends "still between us" as m2 to #room -> seq 2
