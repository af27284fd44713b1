"""The producer's end of rabbitmq.

Two connections, as RabbitMQ's guides advise: one publishes, the other is handed replies (and dead letters). With
`confirms` the broker says for each message that it has it; answers are read when they are there and awaited only
where `window` of them are outstanding.

How many messages wait is asked of the broker, which alone knows also what other producers sent and what came back
from a worker that died: with a message, once half of `depth` may be waiting, so that the answer has come before it
is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._rabbitmq.connect import connect, path
from benchkit.transports._rabbitmq.frames import BETWEEN_BYTES
from benchkit.transports._rabbitmq.methods import (
    ACK,
    DELIVER,
    MAX_MESSAGE_BYTES,
    NACK,
    QUEUE_DECLARED,
    Route,
    consume,
    delivered,
    look,
    settled,
    waiting,
)
from benchkit.transports._rabbitmq.place import Place
from benchkit.transports.base import Reply, Sender
from benchkit.transports.buffers import Pool, beginning

_PAUSE_S = 50e-6
_PAUSE_MOST_S = 1e-3
_REFUSAL_S = 0.02
_UNBOUNDED = 1 << 62
_REPLIES = b"r"
_DEAD = b"d"


class RabbitSender(Sender):
    """Publishes to the cell's queue."""

    def __init__(
        self, place: Place, depth: int | None, window: int, *, persistent: bool, dead_letter: bool
    ) -> None:
        """`depth` None: the queue itself says what happens when it is full; `window` 0: without confirms."""
        self._depth = _UNBOUNDED if depth is None else depth
        self._ask_from = self._depth if depth is None else depth // 2
        self._window = window
        self._most_unconfirmed = window or _UNBOUNDED
        exchange, key = (place.exchange, str(place.producer)) if dead_letter else ("", place.queue)
        self._route = Route(exchange, key, place.replies, persistent=persistent, mandatory=True)
        self._look = look(place.queue)
        self._published = 0
        self._unconfirmed: dict[int, bytes] = {}
        self._refused: list[bytes] = []
        self._known = 0
        """How many messages waited when the broker was asked last."""
        self._before = 0
        """How many were certainly counted in that, or gone before."""
        self._asked: int | None = None
        """What `_before` will be once the broker answers; None: it is not asked."""
        self._fresh = False
        """It has just answered: asking again at once would tell the same."""
        self._replies = Pool(place.reply_bytes + BETWEEN_BYTES, ready=2)
        self._letters = Pool(place.message_bytes + BETWEEN_BYTES)
        self._held = self._replies
        """Whose the slot is."""
        self._slot: memoryview | None = None
        self._publishing = connect(place.url, confirms=window > 0)
        self._out = self._publishing.frames
        try:
            self._consuming = connect(place.url)
            self._in = self._consuming.frames
            self._in.write(consume(place.replies, _REPLIES.decode(), acknowledged=False))
            if dead_letter:
                self._in.write(consume(place.dead, _DEAD.decode(), acknowledged=False))
        except BaseException:
            self._out.close()
            raise

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """One message, gathered; False when there was still no room after `timeout`."""
        if not self._free() and not self._room(timeout):
            return False
        nbytes = total_bytes(parts)
        if nbytes > MAX_MESSAGE_BYTES:
            raise Rejected(
                f"{nbytes} bytes; a RabbitMQ message has at most {MAX_MESSAGE_BYTES}",
                remedy="send less at once",
            )
        more = b""
        if self._asked is None and self._known + self._published - self._before >= self._ask_from:
            more = self._look
            self._asked = self._published - len(self._unconfirmed)
        self._out.publish(self._route, parts, nbytes, more)
        self._published += 1
        if self._window:
            self._unconfirmed[self._published] = beginning(parts)
            if self._window == 1:
                while self._unconfirmed:
                    self._take()
        return True

    def _free(self) -> bool:
        return (
            self._known + self._published - self._before < self._depth
            and len(self._unconfirmed) < self._most_unconfirmed
            and not self._out.blocked
        )

    def _room(self, timeout: float) -> bool:
        out = self._out
        deadline_s = monotonic() + timeout
        pause_s = _PAUSE_S
        while True:
            while out.ready(0):
                self._take()
            if self._free():
                return True
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return False
            if self._asked is not None or out.blocked or len(self._unconfirmed) >= self._most_unconfirmed:
                out.ready(left_s)  # an answer is on its way, and maybe room with it
                continue
            if self._fresh and not out.ready(min(pause_s, left_s)):
                pause_s = min(2 * pause_s, _PAUSE_MOST_S)
            self._asked = self._published - len(self._unconfirmed)
            self._fresh = False
            out.write(self._look)

    def _take(self) -> None:
        """One frame of the connection that publishes."""
        key, payload = self._out.method()
        if key == ACK:
            self._confirmed(payload)
        elif key == NACK:
            self._refused += self._confirmed(payload)
        elif key == QUEUE_DECLARED and self._asked is not None:
            self._known, self._before = waiting(payload), self._asked
            self._asked = None
            self._fresh = True

    def _confirmed(self, payload: bytes) -> list[bytes]:
        """The starts of the messages that an ACK or NACK is about."""
        tag, all_before = settled(payload)
        unconfirmed = self._unconfirmed
        if not all_before:
            start = unconfirmed.pop(tag, None)
            return [] if start is None else [start]
        tags = [each for each in unconfirmed if each <= tag]
        return [unconfirmed.pop(each) for each in tags]

    def unconfirmed(self) -> int:
        """From the first one on that the broker has not confirmed; those after it may be."""
        while self._unconfirmed and self._out.ready(0):
            self._take()
        return self._published - next(iter(self._unconfirmed)) + 1 if self._unconfirmed else 0

    def reply(self, timeout: float) -> Reply | None:
        """The next reply; a message that the broker refused or gave up comes back as `rejected`."""
        if self._slot is not None:
            self._held.give(self._slot)
            self._slot = None
        if self._refused:
            return Reply(memoryview(self._refused.pop(0)), rejected=True)
        into = self._in
        deadline_s = monotonic() + timeout
        left_s = timeout
        while True:
            if into.ready(min(left_s, _REFUSAL_S)):
                reply = self._delivered()
                if reply is not None:
                    return reply
            else:
                while self._unconfirmed and self._out.ready(0):
                    self._take()
                if self._refused:
                    return Reply(memoryview(self._refused.pop(0)), rejected=True)
            if timeout <= 0:
                return None
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return None

    def _delivered(self) -> Reply | None:
        key, payload = self._in.method()
        if key != DELIVER:
            return None
        dead = delivered(payload)[0] == _DEAD
        self._held = self._letters if dead else self._replies
        self._slot, nbytes, _ = self._in.content(self._held)
        return Reply(self._slot[:nbytes].toreadonly(), rejected=dead)

    def path(self) -> Mapping[str, str]:
        """Of both connections."""
        return path((self._publishing, self._consuming))

    def close(self) -> None:
        """Let the broker answer what was sent, then close."""
        with suppress(BrokerError):
            while self._unconfirmed and not self._out.blocked:
                self._take()
        self._out.close()
        self._in.close()
