# two_workers.story: which worker of a node holds a connection makes no difference
workers 2
alice.phone on n1; alice.laptop on n1; alice.tablet on n1; bob.phone on n1; bob.laptop on n1; bob.tablet on n1; carol.phone on n1
all in #room
alice.phone sends 50 messages as a
bob.tablet  sends 50 messages as b
carol.phone sends 50 messages as c
all receive a1..a50 in order once
all receive b1..b50 in order once
all receive c1..c50 in order once
