# signals.story: a signal reaches who is there, and nobody later
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; all in #room
bob.phone   leaves
alice.phone signals "ring"
bob.laptop  receives signal "ring"
bob.phone   returns, catches up, never received signal "ring"
alice.phone receives nothing more
