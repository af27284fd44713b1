"""Inside the `udp` transport.

::

    producer  a connected socket for each worker  --- MESSAGE, in fragments ---->  one bound socket   worker
                                                  <-- REPLY, in fragments ------
                                                  <-- ACK: done, without a reply
              ASK: what became of these?   <---->   ANSWER: these are not with me (any more)
              GRANT: so much of yours have I taken out of my socket

    head         what every datagram begins with
    cut          a message's fragments and groups, as arithmetic
    parity       what is sent beside them, and how a missing one is made of it
    reassembly   fragments become messages, within a time and a memory that are bounded
    window       how much may be in the other side's socket
    outgoing     a message on its way out: gathered, not joined
    kernel       the socket: its buffers, and many datagrams with one system call
    peer         the other end as this one sees it; both ends are made of it
    sender, worker   the ends

Nothing is sent twice. What a fragment's loss costs is its message, unless parity makes up for it. Each datagram
says how much its sender has sent so far and how much it has taken in, so that no socket is given more than it holds:
what is lost was lost on the way. Whoever waits for news that may be lost asks, again and again; only an
answer frees the place of a message that is gone, so that a worker that is busy is never taken for a loss.
"""
