"""Inside the `rabbitmq` transport: AMQP 0-9-1 to a RabbitMQ server.

py-amqp connects, authenticates, wraps in TLS and declares queues; on the measured path its socket is driven here,
because the library joins and cuts what it sends and collects what it receives piece by piece.

::

    producer  -- basic.publish, confirmed -->  queue      -- basic.deliver -->  worker
              <-- basic.deliver -- a queue of replies <-- basic.publish --
                                                          <-- basic.ack --

    server.py    the run's own server: found, configured, started, ended
    connect.py   a URL to a connection; what went wrong, without the password
    methods.py   the few methods of the measured path, as bytes
    frames.py    frames on one connection: gathered publishes, contents landed in a buffer of their own length
    place.py     where the ends meet: exchanges and queues of a cell, declared and deleted
    sender.py    the producer's end
    worker.py    the stage worker's end

https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf and
https://www.rabbitmq.com/docs/specification say what is sent; frames are in 4.2 of the former.
"""
