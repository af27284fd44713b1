"""Messages through a Redis stream: XADD, XREADGROUP in a consumer group, then XDEL and XACK.

A worker that dies leaves its messages pending under its number. The next receiver with that number first ends
its predecessor's connection (CLIENT KILL), so that an XREADGROUP that is still outstanding there cannot take
one more message, and then delivers what is pending. The messages of other workers are claimed once they have
been pending for `claim_after` (XAUTOCLAIM).

XDEL goes before XACK: a worker that dies between the two leaves a pending id without a message, which the
next one skips; the other way round a message would stay in the stream for ever.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from pydantic import Field

from benchkit.transports._redis.options import RedisTransport
from benchkit.transports.base import Address, Receiver, Sender, Setup
from benchkit.units import Seconds


class RedisStream(RedisTransport):
    """A Redis or Valkey stream with a consumer group; at least once.

    `depth` bounds the messages in the stream: those that wait and those that workers hold. Several producers
    share the stream, each message has a field with its producer's number, and each producer has a list of replies
    of its own. All their messages count, though producers that fill it at one moment may each add up to `depth`.
    """

    kind: ClassVar[str] = "redis-stream"

    claim_after: Seconds = Field(
        30.0,
        description="how long a message may be with one worker before another takes it over; "
        "a live worker that holds one for longer has it delivered twice",
    )

    def floor(self) -> str:
        """The same commands on raw sockets."""
        return "resp-stream"

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """The embedded broker or a check of the user's, clean keys, stream and group; raises BrokerError."""
        from benchkit.transports._redis.place import GROUP, prepared

        first = ("XGROUP", "CREATE", f"{setup.name}:q", GROUP, 0, "MKSTREAM")
        return prepared(self.secret_url, self.socket, setup, (first,))

    def sender(self, address: Address) -> Sender:
        """XADD, and XLEN in the same write: acknowledged messages are deleted, so it counts the rest."""
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.resp import command, opening
        from benchkit.transports._redis.sender import RedisSender

        place = place_of(address)
        length = command("XLEN", place.queue)
        if place.producers == 1:
            head = opening(5, "XADD", place.queue, "*", "m")
        else:
            head = opening(7, "XADD", place.queue, "*", "p", place.mark, "m")
        return RedisSender(place, self.depth, head, length, asked=True)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """XREADGROUP as the consumer of this worker's number; XDEL and XACK on `ack`, in any order."""
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.stream_worker import StreamReceiver

        return StreamReceiver(place_of(address), worker, self.claim_after)
