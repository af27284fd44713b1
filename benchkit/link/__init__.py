"""A link that is worse than loopback: a proxy in a process of its own, between the ends of a transport.

The flow, from a scenario's words to what was really done::

    options   LinkOptions      what `link:` may say; profiles with their sources in `profiles`
    plan      Impairment       one direction in numbers, plain data
    process   LinkProcess      starts the proxy, opens links in it, asks what they did, triggers faults
    serve     the proxy        one loop over epoll and a timer: `tcp`, `udp`, and one `lane` a direction
    lane      Lane             delay, rate, loss, order and blackouts, each pure arithmetic in a file of its own

What a link did is measured where it is done and stands beside what was asked (`tally`).
"""
