# edits_trimmed.story: what has left the log cannot be edited, and what became of the rest is still known
with log_entries 100
alice.phone, bob.phone on n1; all in #room
alice.phone sends "first" as m1
alice.phone sends 300 messages as b
alice.phone deletes m1 -> error not_found
alice.phone edits b300 to "last" as m2
bob.phone   receives m2, asks history -> b300 reads "last" in version 1
# and of what has left the log little is kept
alice.phone sends and edits 500 messages as c
redis holds at most 250 states of #room
bob.phone   receives c1000, asks history -> c999 reads "second" in version 1
