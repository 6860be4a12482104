# receipts_away.story: a device that was away gets of many receipts the latest
alice.phone, alice.laptop on n1; bob.phone on n1; all in #room
alice.phone sends 20 messages as b
alice.laptop leaves
bob.phone   receives b1..b20, reads b5, reads b10, reads b15, reads b20
alice.phone sees b20 read by bob
alice.laptop returns, sees b20 read by bob, catches up
