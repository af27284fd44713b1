"""The worker's end of redis-stream; see the head of redis_stream.py for how nothing is lost."""

from __future__ import annotations

from collections import deque
from time import monotonic

from benchkit.transports._redis.place import GROUP, Place, client_in, registered
from benchkit.transports._redis.resp import Resp, command
from benchkit.transports._redis.worker import RedisDelivery, RedisReceiver

_FROM_START = b"0-0"
_AT_ONCE = 64
_WORDS_ALONE = 2
"""A message's one field and its value; before it stands another with its producer, where there are several."""


class StreamReceiver(RedisReceiver):
    """XREADGROUP one by one; `_held` are the ids that were delivered and not acknowledged."""

    def __init__(self, place: Place, worker: int, claim_after_s: float) -> None:
        self._consumer = f"w{worker}"
        self._claim_after_ms = int(claim_after_s * 1000)
        self._claim_s = monotonic()
        self._held: set[bytes] = set()
        self._pending: bytes | None = _FROM_START
        """After which id this consumer's own pending messages are still to be delivered; None: they are."""
        self._claimed: deque[bytes] = deque()
        super().__init__(place, worker)

    def join(self) -> bytes:
        """End the predecessor; register."""
        register = self.place.register
        before = self.ask("HGET", register, self._consumer)
        if isinstance(before, bytes) and (client := client_in(before, self.life)):
            self.end_client(client)
        self.ask("HSET", register, self._consumer, registered(self.client, self.life))
        self.behind = True
        return self._read(">", "BLOCK", 0)

    def _read(self, after: bytes | str, *how: str | int) -> bytes:
        queue = self.place.queue
        return command(
            "XREADGROUP", "GROUP", GROUP, self._consumer, "COUNT", 1, *how, "STREAMS", queue, after
        )  # fmt: skip

    def taken(self) -> RedisDelivery | None:
        """The message that was read, or None."""
        mark, delivery = self._entry(self.takes)
        if mark in self._held or delivery is None:
            # It came back through a claim while it was on its way here.
            if delivery is not None:
                delivery.release()
            return None
        self._held.add(mark)
        return delivery

    def _entry(self, resp: Resp) -> tuple[bytes, RedisDelivery | None]:
        """Id and message of an answer to XREADGROUP: empty when there is none, None when it was deleted."""
        is_map, streams = resp.header()
        if streams <= 0:
            return b"", None
        if not is_map:
            resp.header()
        resp.read()
        if resp.header()[1] <= 0:
            return b"", None
        resp.header()
        mark = resp.read()
        mark = mark if isinstance(mark, bytes) else b""
        words = resp.header()[1]
        if words <= 0:
            return mark, None
        producer = 0
        if words > _WORDS_ALONE:
            resp.read()
            named = resp.read()
            producer = self.producer(named if isinstance(named, bytes) else b"")
        resp.read()
        return mark, self._message(resp, mark, producer)

    def _message(self, resp: Resp, mark: bytes, producer: int) -> RedisDelivery | None:
        landed = resp.payload(self.pool)
        return None if landed is None else RedisDelivery(self, *landed, mark, producer)

    def left_behind(self) -> RedisDelivery | None:
        """A message pending from before, then one claimed from a dead peer."""
        while self._pending is not None:
            mark, delivery = self._again(self._pending)
            self._pending = mark or None
            if delivery is not None:
                return delivery
        while self._claimed:
            claimed = self._claimed.popleft()
            mark, delivery = self._again(_before(claimed))
            if delivery is not None and mark == claimed:
                return delivery
            if delivery is not None:
                self._held.discard(mark)
                delivery.release()
        self.behind = False
        return None

    def _again(self, after: bytes) -> tuple[bytes, RedisDelivery | None]:
        self.settle()
        self.gives.write(self._read(after))
        mark, delivery = self._entry(self.gives)
        if delivery is not None:
            self._held.add(mark)
        elif mark:
            self.ask("XACK", self.place.queue, GROUP, mark)
        return mark, delivery

    def acknowledge(self, delivery: RedisDelivery) -> None:
        """Delete it and take it off this consumer's pending ones."""
        self._held.discard(delivery.mark)
        self.tell(self._off(delivery.mark), 2)

    def _off(self, mark: bytes) -> bytes:
        queue = self.place.queue
        return command("XDEL", queue, mark) + command("XACK", queue, GROUP, mark)

    def look(self) -> None:
        """Claim what has been pending for too long; its content is read when it is delivered."""
        found = self.ask(
            "XAUTOCLAIM", self.place.queue, GROUP, self._consumer, self._claim_after_ms, _FROM_START,
            "COUNT", _AT_ONCE, "JUSTID",
        )  # fmt: skip
        if isinstance(found, list) and len(found) > 1 and isinstance(found[1], list):
            self._claimed.extend(
                mark
                for mark in found[1]
                if isinstance(mark, bytes) and mark not in self._held and mark not in self._claimed
            )
        self.behind = self.behind or bool(self._claimed)


class ClaimedStreamReceiver(StreamReceiver):
    """The stream has claims: XREADGROUP, then GET."""

    def _message(self, resp: Resp, mark: bytes, producer: int) -> RedisDelivery | None:  # noqa: ARG002  (a claim names it)
        claim = resp.read()
        if not isinstance(claim, bytes):
            return None
        delivery = self.fetched(resp, claim, mark)
        if delivery is None:
            # Its message was done before; only the deletion of the claim did not come through.
            self.tell(self._off(mark), 2)
        return delivery

    def acknowledge(self, delivery: RedisDelivery) -> None:
        """Delete the payload, then the claim."""
        self._held.discard(delivery.mark)
        self.tell(command("UNLINK", self.place.payload(delivery.claim)) + self._off(delivery.mark), 3)


def _before(mark: bytes) -> bytes:
    """The id just before this one: XREADGROUP delivers what comes after the id it is given."""
    milliseconds, _, sequence = mark.partition(b"-")
    if int(sequence):
        return b"%d-%d" % (int(milliseconds), int(sequence) - 1)
    return b"%d-%d" % (int(milliseconds) - 1, (1 << 64) - 1)
