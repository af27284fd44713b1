"""Inside the `iceoryx2` transport: what iceoryx2 does, and what stands beside it.

iceoryx2's publish-subscribe gives every subscriber every sample, so each worker has two services of its own:
messages (the producer publishes, the worker subscribes) and replies (the other way round). A sample's bytes
are the message (or reply) and, behind it, the eight bytes of the link it belongs to, so that what a dead
producer left behind is neither acknowledged to its successor nor answered to it.

A link is one producer's connection to one worker: a Unix socket, and a page of memory that both map, whose
descriptor went over that socket. The page holds three words::

    ACKED             messages acknowledged, counted by the worker
    WORKER_SLEEPS     1 while the worker sleeps or is about to; who brings a message sets 0 and sends a byte
    PRODUCER_SLEEPS   the same the other way

Who waits looks at its subscriber again and again for the spin budget, says that it sleeps, looks once more,
and sleeps until a byte comes. Between a word's store and that look stand iceoryx2's own sequentially
consistent operations; sleeps are bounded besides. The kernel closes the socket of a party that dies, however
it dies, which is how the other knows at once; iceoryx2 itself would notice at the next opening of a service.
"""
