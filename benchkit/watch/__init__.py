"""Following live queues and traced programs, read-only, with the alert rules of a run.

::

    targets   what people write on the command line  ->  probes
    a probe   one look: queues and parties as they are now      redis_list, redis_stream, rabbitmq, nats, trace
    follower  a probe on a thread of its own: opens it, looks, opens it again when it went away
    watch     a round of looks  ->  observations (rates by difference)  ->  benchkit.alerts

A probe reads and never takes, acknowledges, declares or writes. What a server does not tell is unknown (None) and
not guessed; where only a bound is known, it says so.
"""
