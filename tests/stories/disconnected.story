# disconnected.story: the backend can put a user out; the inbox keeps what comes meanwhile
alice.phone, bob.phone on n1; all in #room
backend disconnects bob
bob.phone   is closed
alice.phone sends "are you back?" as m1
bob.phone   is connected, receives m1 once
