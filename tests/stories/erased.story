# erased.story: what was deleted is soon in no file, and the conversation goes on
a private redis
with walk 200ms
with erase 1s
alice.phone, bob.phone on n1; all in #room
redis compresses no files
alice.phone sends "the code is 9f31c7a2b4" as m1, sends "stays: 5d2e8c70f6" as m2
bob.phone   receives m1 m2
the files of redis hold "9f31c7a2b4"
alice.phone deletes m1 as m3
the files of redis lose "9f31c7a2b4"
the files of redis hold "5d2e8c70f6"
bob.phone   receives m3, asks history -> m1 is deleted
alice.phone sends "and on" as m4 -> seq 4
bob.phone   receives m4 once
