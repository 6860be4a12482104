# notification.story: a notification reaches every device, once, and the backend sees how far it came
nodes n1 n2
bob.phone on n1; bob.laptop on n2; carol.phone on n1; all in #room
bob.laptop  leaves
backend notifies bob of "your taxi is here" as x1
bob.phone   is notified of x1
backend sees notice x1 delivered
backend notifies of x1 again
bob.laptop  returns on n1, is notified of x1
bob.laptop  opens x1
backend sees notice x1 read
carol.phone is not notified of x1
