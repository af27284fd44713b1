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
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchkit.transports._redis.options import RedisTransport
from benchkit.transports._redis.resp import Commands
from benchkit.transports.base import Address, Receiver, Sender, Setup, level_in
from benchkit.units import Seconds

if TYPE_CHECKING:
    from benchkit.transports._redis.place import Place


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
        from benchkit.transports._redis.place import prepared

        claims = self.layout == "claim-check"
        return prepared(
            self.server, setup, self.first(setup), claims=claims, how=self.how, sockets=self.sockets,
            level=level_in(self.capabilities(), setup.folder),
        )  # fmt: skip

    def first(self, setup: Setup) -> Commands:
        """The stream and its group."""
        from benchkit.transports._redis.place import GROUP

        return (("XGROUP", "CREATE", f"{setup.name}:q", GROUP, 0, "MKSTREAM"),)

    def sender(self, address: Address) -> Sender:
        """XADD, and XLEN in the same write: acknowledged messages are deleted, so it counts the rest."""
        from benchkit.transports._redis.claims import ClaimCheck, Inline
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.resp import command, opening
        from benchkit.transports._redis.sender import RedisSender

        place = place_of(address)
        if self.client == "plain":
            return self._plain_sender(place)
        length = command("XLEN", place.queue)
        # A claim names its producer itself.
        if place.producers == 1 or place.claims:
            head = opening(5, "XADD", place.queue, "*", "m")
        else:
            head = opening(7, "XADD", place.queue, "*", "p", place.mark, "m")
        if self.maxlen is not None:
            # As XADD with MAXLEN does it, by a command that says how many it dropped.
            trim = command("XTRIM", place.queue, "MAXLEN", "=", self.maxlen)
            return RedisSender(place, self.depth, Inline(head, query=trim), length, lambda count: count)
        envelope = ClaimCheck(place, head, length) if place.claims else Inline(head, query=length)
        return RedisSender(place, self.depth, envelope, length)

    def _plain_sender(self, place: Place) -> Sender:
        from benchkit.transports._redis.plain import PlainSender

        queue = place.queue
        suffix = place.mark if place.producers > 1 and not place.claims else b""
        return PlainSender(
            place,
            self.depth,
            lambda client, data: client.xadd(queue, {"m": data + suffix if suffix else data}),
            lambda client: int(client.xlen(queue)),
        )

    def receiver(self, address: Address, worker: int) -> Receiver:
        """XREADGROUP as the consumer of this worker's number; XDEL and XACK on `ack`, in any order."""
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.plain_worker import PlainStreamReceiver
        from benchkit.transports._redis.stream_worker import ClaimedStreamReceiver, StreamReceiver

        place = place_of(address)
        if self.client == "plain":
            return PlainStreamReceiver(place, worker, self.claim_after)
        chosen = ClaimedStreamReceiver if place.claims else StreamReceiver
        return chosen(place, worker, self.claim_after)
