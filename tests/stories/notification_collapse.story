# notification_collapse.story: of many of one kind, who was away gets the latest; what is past its time, never
bob.phone, bob.laptop on n1; carol.phone on n1; all in #room
bob.phone leaves; bob.laptop leaves
backend notifies bob of "1 new mail" as x1 under mail
backend notifies bob of "battery is low" as x2
backend notifies bob of "2 new mails" as x3 under mail
backend notifies bob of "tea is hot" as x4 for 1s
backend sees notice x1 expired; backend sees notice x3 queued
backend sees notice x4 expired
carol.phone sends "hello" as m1
bob.phone returns, is notified of x2 x3, receives m1 once, is not notified of x1 x4
backend sees notice x3 delivered
backend notifies bob of "3 new mails" as x5 under mail
bob.laptop returns, is notified of x2 x3 x5, is not notified of x1 x4
backend sees notice x1 expired
