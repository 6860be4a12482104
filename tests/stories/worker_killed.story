# worker_killed.story: a worker dies by kill -9; its clients come back to another and have missed nothing
workers 2
alice.phone on n1; alice.laptop on n1; bob.phone on n1; bob.laptop on n1; carol.phone on n1; carol.laptop on n1; all in #room
alice.phone sends 20 messages as a
kill worker on n1
bob.phone   sends 20 messages as b
kill every worker on n1
carol.phone sends 20 messages as c
all receive a1..a20 b1..b20 c1..c20 in order once
backend sees alice online; backend sees bob online; backend sees carol online
