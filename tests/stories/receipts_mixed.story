# receipts_mixed.story: a device that takes entries of several conversations in turn has all of them delivered
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2
alice, bob in #work; alice, bob in #home
bob.phone, bob.laptop leave
alice.phone sends "1" as a1 to #work; alice.phone sends "2" as b1 to #home
alice.phone sends "3" as a2 to #work; alice.phone sends "4" as b2 to #home; alice.phone sends "5" as a3 to #work
alice.phone sees a1 not delivered to bob, sees b1 not delivered to bob
bob.phone   returns, receives a1 b1 a2 b2 a3 in order
alice.phone sees a3 delivered to bob, sees b2 delivered to bob
bob.laptop  returns, receives a1 b1 a2 b2 a3 in order
bob.laptop  sees a3 delivered to bob, sees b2 delivered to bob
