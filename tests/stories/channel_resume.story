# channel_resume.story: who comes back to a channel gets what it missed, in order, once, and then what is new
nodes n1 n2
ann.desk on n1; bob.phone on n2; carol.phone on n1
ann in open channel #news
bob.phone, carol.phone subscribe to #news
ann.desk    sends "before" as m1
bob.phone, carol.phone receive m1
bob.phone   drops
ann.desk    sends 1,000 messages as b
bob.phone   returns on n1, receives b1..b1000 in order once
carol.phone flickers
ann.desk    sends 300 messages as c
bob.phone, carol.phone receive c1..c300 in order once
bob.phone   moves to n2
ann.desk    sends "after" as m2
bob.phone, carol.phone receive m2 once
bob.phone, carol.phone are always recovered
bob.phone   subscribes to #news from 1,200
ann.desk    sends "again" as m3
bob.phone   receives m3 once
bob.phone   subscribes to #news from 99,999 and is not recovered
ann.desk    sends "and again" as m4
bob.phone, carol.phone receive m4 once
