"""The kill matrix: each party killed and stopped at each moment under each transport, and what its guarantee kept.

`plan` says which trials there are, `bench` runs one, `log` keeps them (several files merge), `run` puts them
together, `page` writes the table.
"""
