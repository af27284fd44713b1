"""What people write first: the library as its documentation shows it, nothing tuned and nothing spoilt.

Each is given what favours it where there is a choice that good code makes anyway: one connection that is kept, a
payload that is `bytes` already, no reading of what arrived. A library's absence is an error with its install
command, which the report shows in that recipe's place.
"""
