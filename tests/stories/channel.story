# channel.story: an open channel reaches whoever subscribes, on whichever node, in order and without inbox
nodes n1 n2
ann.desk on n1; bob.phone, carol.phone on n2; dave.phone on n1
ann in open channel #news
bob.phone, carol.phone, dave.phone subscribe to #news
ann.desk    sends "good morning" as m1 -> seq 1
bob.phone, carol.phone, dave.phone receive m1
ann.desk    edits m1 to "good day" as m2
backend     sends "from the backend" from ann as m3 to #news -> seq 3
bob.phone, carol.phone, dave.phone receive m1 m2 m3 in order once
bob.phone   sees m2 as edit of m1
bob.phone   sends "me too" to #news -> error forbidden
bob.phone   reads m3 -> error bad_request
ann.desk    signals "ring" to #news -> error bad_request
dave.phone  unsubscribes from #news
ann.desk    sends "without dave" as m4
carol.phone receives m4
ann.desk    sends 500 messages as b
bob.phone, carol.phone receive b1..b500 in order once
dave.phone  does not receive m4
bob.phone   asks conversations -> not #news
ann.desk    asks conversations -> #news unread 0
