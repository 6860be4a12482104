# device_age.story: a device that never comes back holds nothing up, and is told the truth if it does
with walk 200ms
with device_age 1s
alice.phone, bob.phone, bob.laptop on n1; all in #room
bob.phone   leaves
alice.phone sends 3 messages as b
bob.laptop  receives b1..b3 once
# the laptop is connected, and stays known though it has nothing to acknowledge for longer than that
redis holds 1 devices of bob
redis holds 0 events of bob
bob.phone   returns, is told of a gap, reloads
alice.phone sends "still here?" as m1 -> seq 4
bob.phone, bob.laptop receive m1 once
redis holds 2 devices of bob
redis holds 0 events of bob
