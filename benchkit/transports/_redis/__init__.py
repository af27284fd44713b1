"""What the two Redis transports share: the scatter/gather client, its buffers, and the embedded broker.

redis-py connects, authenticates, wraps in TLS and greets (HELLO); its socket is then driven here, because its
packer joins what it sends and its parsers copy what they receive: several times the cost of the transfer.

::

    links.py     bytes in and out of one socket, plain or TLS
    resp.py      commands and answers on a link (RESP2 and RESP3)
    connect.py   a URL to a connection; what went wrong, without the password
    valkey.py    the embedded broker
    place.py     where the ends meet: the keys of a cell, prepared and removed
    sender.py    the producer's end, the same for both
    worker.py    the stage worker's end, what both have in common
"""
