"""Inside the `nats` transport: a JetStream stream as a work queue.

The ends speak the client protocol themselves: it is a handful of verbs, and the official library is asyncio, joins
what it sends, collects what it receives, and wakes a loop for each call; `tests/transports/measure_brokers.py`
measures what that costs. https://docs.nats.io/reference/reference-protocols/nats-protocol and
https://docs.nats.io/reference/reference-protocols/nats_api_reference

::

    producer  PUB benchkit.<cell>.q.<producer>  --> stream --> MSG (one for each pull request)  worker
              <-- PubAck: it is stored                         PUB $JS.ACK...  +ACK: it is done
              <-- a copy of each +ACK (the room that it makes is seen without asking)
              <-- PUB benchkit.<cell>.r.<producer>: the reply, straight from the worker

    server.py    the run's own server: found, configured, started, ended
    connect.py   a URL to a connection; what went wrong, without the password
    wire.py      verbs on one connection: gathered publishes, payloads landed in a buffer of their own length
    place.py     where the ends meet: the stream and the consumer of a cell, made and deleted
    sender.py    the producer's end
    worker.py    the stage worker's end
    keeper.py    a thread beside each worker that says what it holds
    takeover.py  what a dead predecessor held, made available again

A user of one's own on a shared server may publish and subscribe to `benchkit.>`, `$JS.API.>` and `$JS.ACK.>`.
"""
