# channel_slow.story: a subscriber that does not read holds up nobody, and gets everything once it reads
ann.desk, bob.phone, carol.phone on n1
ann in open channel #news
bob.phone, carol.phone subscribe to #news
bob.phone   reads nothing from its socket
ann.desk    sends 3,000 messages as b
carol.phone receives b1..b3000 in order once
bob.phone   reads from its socket again, receives b1..b3000 in order once
bob.phone, carol.phone are always recovered
