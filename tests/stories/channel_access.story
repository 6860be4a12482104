# channel_access.story: a closed channel is for its members and for who has a token for it, and no longer than that
nodes n1 n2
ann.desk on n1; bob.phone on n2; carol.phone on n2; eve.phone on n1
ann, bob in channel #staff
bob.phone   subscribes to #staff
eve.phone   subscribes to #staff -> error forbidden
eve.phone   asks history of #staff -> error forbidden
carol.phone has a token for #staff, flickers, subscribes to #staff
ann.desk    sends "for us" as m1
bob.phone, carol.phone receive m1
backend     removes bob from #staff
bob.phone   loses #staff with forbidden
ann.desk    sends "without bob" as m2
carol.phone receives m2
bob.phone   does not receive m2
bob.phone   subscribes to #staff -> error forbidden
carol.phone has a token for nothing, renews its token
carol.phone loses #staff with forbidden
backend     opens #staff
eve.phone   subscribes to #staff
ann.desk    sends "for all" as m3
eve.phone   receives m3
backend     closes #staff
eve.phone   loses #staff with forbidden
backend     adds bob to #staff
bob.phone   subscribes to #staff
ann, bob in #room
bob.phone   subscribes to #room -> error bad_request
bob.phone   subscribes to #nowhere -> error not_found
backend     deletes #staff
bob.phone   loses #staff with not_found
