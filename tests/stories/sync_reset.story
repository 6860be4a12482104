# sync_reset.story: a sync is told when the store has lost its past
alice.phone on n1; bob.phone on n1; all in #room
alice.phone sends "lost" as m1
bob.phone   receives m1, leaves
wipe redis
alice.phone is told of a reset
bob.phone   syncs, is told of a reset
