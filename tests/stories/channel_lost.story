# channel_lost.story: who was away for longer than the log reaches is told so, and so is everyone when the store lost its past
with log_entries 200
ann.desk, bob.phone, carol.phone on n1
ann in open channel #news
bob.phone, carol.phone subscribe to #news
ann.desk    sends "before" as m1
bob.phone   receives m1
bob.phone   drops
ann.desk    sends 1,000 messages as b
carol.phone receives b1..b1000 in order once
bob.phone   returns
bob.phone   is told that #news is not recovered
ann.desk    sends "after" as m2
bob.phone, carol.phone receive m2 once
carol.phone is always recovered
wipe redis
restart redis
carol.phone loses #news with not_found
