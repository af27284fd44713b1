"""Messages through a Redis list: RPUSH, BLMOVE to a processing list, then removal from it.

A worker that dies leaves its messages in its processing list. Each opening of a receiver has a list of its
own, registered with the id of the connection that fills it, and puts back at the head of the queue, in order,

* what earlier openings with its worker number left: it first ends their connection (CLIENT KILL), so that a
  BLMOVE that is still outstanding there cannot take one more message;
* what other workers left whose connection the server no longer knows (CLIENT LIST ID; ids are never used
  twice). An end never reconnects, so a worker without its connection is a dead worker. A host that vanished
  without closing counts as alive until the server's tcp-keepalive notices.

Nothing of a message is sent again for its removal: the oldest is trimmed off (LTRIM); one in the middle is
replaced by a short marker (LSET), which LREM removes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from benchkit.transports._redis.options import RedisTransport
from benchkit.transports.base import Address, Receiver, Sender, Setup, level_in

if TYPE_CHECKING:
    from benchkit.transports._redis.place import Place


class RedisList(RedisTransport):
    """A Redis or Valkey list with a processing list for each worker; at least once.

    `depth` bounds the messages that wait in the list; those that workers hold are not counted. Several producers
    share the list, each value ends with its producer's number, and each has a list of replies of its own. All
    their messages count, though producers that fill it at one moment may each add up to `depth`.
    """

    kind: ClassVar[str] = "redis-list"

    def floor(self) -> str:
        """The same commands on raw sockets."""
        return "resp-list"

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """The embedded broker or a check of the user's, and clean keys; raises BrokerError."""
        from benchkit.transports._redis.place import prepared

        claims = self.layout == "claim-check"
        return prepared(
            self.server, setup, self.first(setup), claims=claims, how=self.how, sockets=self.sockets,
            level=level_in(self.capabilities(), setup.folder),
        )  # fmt: skip

    def sender(self, address: Address) -> Sender:
        """RPUSH, whose answer is the length of the list."""
        from benchkit.transports._redis.claims import ClaimCheck, Inline
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.resp import command, opening
        from benchkit.transports._redis.sender import RedisSender

        place = place_of(address)
        if self.client == "plain":
            return self._plain_sender(place)
        head = opening(3, "RPUSH", place.queue)
        # Behind the message, so that its start stays aligned where it lands.
        suffix = place.mark if place.producers > 1 else b""
        length = command("LLEN", place.queue)
        if self.maxlen is not None:
            most = self.maxlen
            trim = command("LTRIM", place.queue, -most, -1)
            # RPUSH answers with the length before the trimming, which takes off all but the newest.
            return RedisSender(
                place, self.depth, Inline(head, suffix, trim), length, lambda pushed: max(0, pushed - most)
            )
        envelope = ClaimCheck(place, head) if place.claims else Inline(head, suffix)
        return RedisSender(place, self.depth, envelope, length)

    def _plain_sender(self, place: Place) -> Sender:
        from benchkit.transports._redis.plain import PlainSender

        queue = place.queue
        suffix = place.mark if place.producers > 1 and not place.claims else b""
        return PlainSender(
            place,
            self.depth,
            lambda client, data: client.rpush(queue, data + suffix if suffix else data),
            lambda client: int(client.llen(queue)),
        )

    def receiver(self, address: Address, worker: int) -> Receiver:
        """BLMOVE to a list of this opening; removal on `ack`, in any order."""
        from benchkit.transports._redis.list_worker import ClaimedListReceiver, ListReceiver
        from benchkit.transports._redis.place import place_of
        from benchkit.transports._redis.plain_worker import PlainListReceiver

        place = place_of(address)
        if self.client == "plain":
            return PlainListReceiver(place, worker)
        return ClaimedListReceiver(place, worker) if place.claims else ListReceiver(place, worker)
