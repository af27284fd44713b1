"""The bounded queue between the server's thread, which fills messages, and the worker, which takes them.

Every counter is written by one thread only, so none needs a lock.
"""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from benchkit.transports.base import Buffer, Delivery
from benchkit.transports.buffers import Pool

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Sequence

Answer = tuple[int, bytes] | tuple[int, bytes, "Sequence[tuple[bytes, bytes]]"]
"""Status and body of a response, and headers where it has its own."""

OK, NO_CONTENT, CONTENT_TOO_LARGE, SERVICE_UNAVAILABLE = 200, 204, 413, 503

_READY_BYTES = 64 << 20
"""Buffers are touched before the first message up to this much in all, at least two."""


class Incoming(Delivery):
    """One request: filled by the server's thread, then a delivery of the worker's."""

    __slots__ = ("_answered", "_intake", "_slot", "answer", "filled", "length", "view")

    def __init__(self, intake: Intake, answer: Future[Answer], length: int | None) -> None:
        self._intake = intake
        self._slot: memoryview | None = intake.pool.take()
        self._answered = False
        self.answer = answer
        self.length = length
        self.filled = 0

    def room(self) -> memoryview:
        """What is still to be filled; as long as the buffer where the length is not known beforehand."""
        assert self._slot is not None  # noqa: S101  (only asked before release)
        return self._slot[self.filled : self.length]

    def put(self, chunk: bytes) -> bool:
        """Append `chunk`; False when the message is longer than any may be."""
        slot, end = self._slot, self.filled + len(chunk)
        if slot is None or end > len(slot):
            return False
        slot[self.filled : end] = chunk
        self.filled = end
        return True

    def complete(self) -> None:
        """All of it is here: hand it to the worker."""
        assert self._slot is not None  # noqa: S101  (only completed before release)
        self.view = self._slot[: self.filled].toreadonly()
        self._intake.queue.put(self)

    def abandon(self) -> None:
        """It will never be complete: give its place and its buffer back."""
        self._intake.abandoned += 1
        self.release()

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Join `parts`, which may be reused at once, and have the server's thread send them."""
        self._settle((OK, b"".join(parts)))

    def ack(self) -> None:
        """Without a reply the request is answered with 204, so that its connection comes free."""
        if not self._answered:
            self._settle((NO_CONTENT, b""))

    def _settle(self, answer: Answer) -> None:
        self._answered = True
        # A server that was closed in the meantime has dropped the connection: there is nobody to tell.
        with suppress(RuntimeError):
            self._intake.loop.call_soon_threadsafe(settle, self.answer, answer)

    def release(self) -> None:
        """Give the buffer back."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._intake.pool.give(slot)


def settle(future: Future[Answer], answer: Answer) -> None:
    """Set the answer unless the server was closed in the meantime."""
    if not future.done():
        future.set_result(answer)


class Intake:
    """At most `bound` messages of at most `limit_bytes` wait for the worker, those being read included."""

    __slots__ = ("_bound", "abandoned", "admitted", "loop", "pool", "queue", "taken")

    def __init__(self, loop: AbstractEventLoop, limit_bytes: int, bound: int) -> None:
        self.loop = loop
        self.pool = Pool(limit_bytes, min(bound + 1, max(2, _READY_BYTES // max(1, limit_bytes))))
        self.queue: SimpleQueue[Incoming] = SimpleQueue()
        self.admitted = self.abandoned = 0
        self.taken = 0
        self._bound = bound

    def admit(
        self,
        answer: Future[Answer],
        length: int | None,
        make: Callable[[Intake, Future[Answer], int | None], Incoming] = Incoming,
    ) -> Incoming | None:
        """Room for a message of `length` bytes (None: not known yet); refused ones have their answer set."""
        if length is not None and length > self.pool.nbytes:
            answer.set_result((CONTENT_TOO_LARGE, b""))
        elif self.admitted - self.abandoned - self.taken >= self._bound:
            answer.set_result((SERVICE_UNAVAILABLE, b""))
        else:
            self.admitted += 1
            return make(self, answer, length)
        return None

    def take(self, timeout: float) -> Incoming | None:
        """The next complete message, for the worker's thread."""
        try:
            incoming = self.queue.get(timeout=timeout) if timeout > 0 else self.queue.get_nowait()
        except Empty:
            return None
        self.taken += 1
        return incoming
