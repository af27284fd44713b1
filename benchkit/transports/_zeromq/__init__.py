"""Inside the `zeromq` transport.

::

    producer  DEALER, one for each worker   --- message ------------------>   ROUTER  worker
                                            <-- reply (acknowledges too) --
                                            <-- two empty frames: an acknowledgement

A message, like a reply, is one frame. ZeroMQ's own limit (the high-water mark) counts what its threads have
not moved on yet, one queue at a time, and cannot say what a worker still works at; so the producer counts
acknowledgements, and the mark stands above that count.
"""
