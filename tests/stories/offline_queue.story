# offline_queue.story: a message waits for a phone that is off
nodes n1 n2
alice.phone on n1; bob.phone, bob.laptop on n2; all in #room
bob.phone   leaves
alice.phone sends "are you there?" as m1      -> seq 1
bob.laptop  receives m1
backend sees at least 1 waiting for bob.phone
bob.phone   returns on n1, receives m1 once, catches up
alice.phone sees m1 delivered to bob
backend sees nothing waiting for bob.phone
