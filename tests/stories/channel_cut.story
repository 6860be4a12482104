# channel_cut.story: what is published while a node hears nothing is read from the log, in order of seq and once
nodes n1 n2
ann.desk on n1; bob.phone on n2; carol.phone on n1
ann in open channel #news
bob.phone, carol.phone subscribe to #news
ann.desk    sends "before" as m1
bob.phone, carol.phone receive m1
cut redis
ann.desk    sends 200 messages as b
cut redis
ann.desk    sends 200 messages as c
bob.phone, carol.phone receive b1..b200 c1..c200 once
restart redis
ann.desk    sends 100 messages as d
bob.phone, carol.phone receive d1..d100 once
bob.phone, carol.phone are always recovered
kill n2
start n2
ann.desk    sends "after" as m2
bob.phone, carol.phone receive m2 once
