# members.story: who is added hears what follows, who is removed does not
nodes n1 n2
alice.phone, bob.phone on n1; carol.phone on n2
alice, bob in #room
alice.phone sends "before" as m1
bob.phone   receives m1
backend adds carol to #room
alice.phone, carol.phone see carol joined #room
alice.phone sends "hello carol" as m2
carol.phone receives m2 once, does not receive m1
carol.phone sends "hello all" as m3
alice.phone, bob.phone receive m3
backend removes carol from #room
alice.phone sees carol removed #room
carol.phone sends "still here?" to #room -> error forbidden
alice.phone sends "she is gone" as m4
bob.phone   receives m4
carol.phone does not receive m4
