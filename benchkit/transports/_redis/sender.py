"""The producer's end of both Redis transports.

Two connections. On one, each message is a command whose answer is not awaited: it is read when the count of
messages that may wait in the broker reaches `depth`, so that an uncontended `send` is one system call. On the
other, some BLPOPs are always outstanding, so that a reply is pushed to this end as soon as it exists and
looking for one costs a poll.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._redis.claims import Envelope
from benchkit.transports._redis.connect import connect, path, shown
from benchkit.transports._redis.place import Place
from benchkit.transports._redis.resp import CRLF, MAX_VALUE_BYTES, Refused, Resp, command
from benchkit.transports.base import Reply, Sender
from benchkit.transports.buffers import Pool, beginning

Trimmed = Callable[[int], int]
"""How many messages an answer, a number, says that the broker dropped."""

_UNANSWERED = 256
"""Answers that may wait unread; bounds what the broker must buffer for this end."""
_BLPOPS = 8
_BLPOPS_LOW = 2
_PAUSE_S = 50e-6
_PAUSE_MOST_S = 500e-6
_REFUSAL_S = 0.02
_FULL = ("OOM", "MISCONF", "EXECABORT")
"""How an error begins that means no memory or no disk; what else spoils a transaction is told before EXECABORT."""


class RedisSender(Sender):
    """Sends each message in its `envelope`, whose last number in the answers says how many the broker holds.

    `query` asks for that number alone.

    What the broker holds is counted whoever sent it. Between two looks of one producer the others may send, so
    that several may together exceed `depth`; no producer has more than `depth` messages of its own there.
    """

    def __init__(
        self, place: Place, depth: int, envelope: Envelope, query: bytes, trimmed: Trimmed | None = None
    ) -> None:
        self._url = place.url
        self._sockets = place.sockets
        self._where = shown(place.url)
        self._depth = depth
        self._query = query
        self._around = envelope.around
        self._answers = envelope.answers
        self._most_bytes = MAX_VALUE_BYTES - envelope.more_bytes
        self._known = 0
        self._trimmed = trimmed
        self._dropped = 0
        self._starts: deque[bytes] = deque()
        self._refused: deque[bytes] = deque()
        self._pool = Pool(place.reply_bytes + len(CRLF), ready=2)
        self._slot: memoryview | None = None
        self._blpop = command("BLPOP", place.replies, 0)
        self._waiting = 0
        self._out = connect(place.url, place.sockets)
        try:
            self._in = connect(place.url, place.sockets)
        except BrokerError:
            self._out.close()
            raise

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """One command, gathered; False when `depth` messages were still in the broker after `timeout`."""
        starts = self._starts
        if self._known + len(starts) >= self._depth and not self._room(timeout):
            return False
        if len(starts) >= _UNANSWERED:
            self._settle()
        nbytes = total_bytes(parts)
        if nbytes > self._most_bytes:
            raise Rejected(
                f"{nbytes} bytes; a Redis value has at most {MAX_VALUE_BYTES}", remedy="send less at once"
            )
        head, tail = self._around(nbytes)
        self._out.send((head, *parts, tail), len(head) + nbytes + len(tail))
        starts.append(beginning(parts))
        return True

    def _room(self, timeout: float) -> bool:
        out = self._out
        while self._starts and out.ready(0):
            self._answer()
        if self._known + len(self._starts) < self._depth:
            return True
        deadline_s = monotonic() + timeout
        pause_s = _PAUSE_S
        self._settle()
        while True:
            # The last answer may be old: what counts is how many are there now.
            out.write(self._query)
            self._known = self._count(out.read())
            if self._known < self._depth:
                return True
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return False
            select.select((), (), (), min(pause_s, left_s))
            pause_s = min(2 * pause_s, _PAUSE_MOST_S)

    def _settle(self) -> None:
        while self._starts:
            self._answer()

    def _answer(self) -> None:
        start = self._starts.popleft()
        refused = False
        for _ in range(self._answers):
            answer = self._out.read()
            if isinstance(answer, list):
                # A transaction: its last command's answer.
                answer = answer[-1]
            if type(answer) is int:
                self._known = answer
                if self._trimmed is not None:
                    self._dropped += self._trimmed(answer)
            elif isinstance(answer, Refused):
                if not str(answer).startswith(_FULL):
                    raise BrokerError(f"the broker refuses messages: {answer}", where=self._where)
                refused = True
        if refused:
            self._refused.append(start)

    def _count(self, answer: object) -> int:
        if type(answer) is not int:
            raise BrokerError(f"the broker does not count its messages: {answer}", where=self._where)
        return answer

    def reply(self, timeout: float) -> Reply | None:
        """The next reply; a message that the broker had no memory or disk for comes back as `rejected`."""
        if self._slot is not None:
            self._pool.give(self._slot)
            self._slot = None
        if self._refused:
            return self._rejection()
        into = self._in
        if not into.buffered():
            if self._waiting <= _BLPOPS_LOW:
                into.write(self._blpop * (_BLPOPS - self._waiting))
                self._waiting = _BLPOPS
            if not into.ready(min(timeout, _REFUSAL_S)):
                while self._starts and self._out.ready(0):
                    self._answer()
                if self._refused:
                    return self._rejection()
                if timeout <= _REFUSAL_S or not into.ready(timeout - _REFUSAL_S):
                    return None
        return self._reply(into)

    def _reply(self, into: Resp) -> Reply:
        into.header()
        into.read()
        landed = into.payload(self._pool)
        if landed is None:
            raise BrokerError("the broker answers a reply without one", where=self._where)
        self._waiting -= 1
        self._slot, nbytes = landed
        return Reply(self._slot[:nbytes].toreadonly())

    def _rejection(self) -> Reply:
        return Reply(memoryview(self._refused.popleft()), rejected=True)

    def unconfirmed(self) -> int:
        """Those whose command the broker has not answered."""
        while self._starts and self._out.ready(0):
            self._answer()
        return len(self._starts)

    def dropped(self) -> Mapping[str, int]:
        """What the broker trimmed off, as far as its answers have come."""
        if self._trimmed is None:
            return {}
        while self._starts and self._out.ready(_REFUSAL_S):
            self._answer()
        return {"maxlen": self._dropped}

    def path(self) -> Mapping[str, str]:
        """Of both connections; the server as it answers on the one that carries messages."""
        return path((self._out, self._in), self._url, self._sockets)

    def close(self) -> None:
        """Let the broker answer what was sent, then close."""
        with suppress(BrokerError):
            self._settle()
        self._out.close()
        self._in.close()
