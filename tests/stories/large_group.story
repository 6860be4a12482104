# large_group.story: in a group of hundreds typing, signals and messages reach the last member as well as the first
nodes n1 n2
alice.phone on n1; stranger0.phone, bob.phone, bob.laptop on n2
200 strangers and then alice, bob in #crowd
alice.phone types
stranger0.phone, bob.phone see alice typing
alice.phone signals "ring"
bob.phone   receives signal "ring"
alice.phone sends "hello all" as m1 -> seq 1
stranger0.phone, bob.phone receive m1 once
stranger0.phone, bob.phone see alice no longer typing
# receipts of so many are not told, but kept, and told to the own devices
bob.phone   reads m1
bob.laptop  sees m1 read by bob
alice.phone asks members of #crowd -> bob has read m1
alice.phone sees m1 not read by bob
