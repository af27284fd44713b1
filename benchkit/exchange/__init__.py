"""One message over and its acknowledgement back, one in flight: what every floor, transport and recipe is timed on.

The exchange begins when the producer turns to a message that lies ready in its memory, and ends when it has seen
the consumer's acknowledgement (1 byte). One way ends earlier: when the consumer has the whole message where it can
be read. Both are read on the one monotonic clock of the host, by the two processes that do the work. Nobody reads
the message: what a stage does with it is no part of moving it.

::

    base.py        the two ends, and the timed loops around them
    memory.py      floors: memcpy, a flag that is spun upon, both together
    wake.py        floors: putting a process to sleep and waking it (futex, eventfd)
    sockets.py     floors: a Unix socket, TCP, HTTP by hand
    resp.py        floors: the commands of the Redis transports on raw sockets
    seam.py        any transport, used as the engine uses it
    recipes/       what people write first, with the libraries they use
    catalogue.py   all of them by name
"""
