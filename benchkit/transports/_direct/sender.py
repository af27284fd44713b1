"""A producer with a link to each worker: the least loaded takes the next message, `depth` in flight at most.

A message is in flight from `send` until its worker has acknowledged it. A worker that dies takes what it had
with it; its link is dropped, and made anew when somebody listens in its place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import total_bytes
from benchkit.transports.base import Address, Buffer, Reply, Sender

RETRY_S = 0.002
"""How long to wait for a worker that is being started again before trying to connect once more."""

Held = tuple[memoryview, object]
"""A reply's bytes, and what keeps them valid."""


class Link(ABC):
    """One worker as the producer sees it; OSError from `send` and `read` says that it is gone."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0

    def ready(self) -> bool:
        """Whether it can be given messages yet."""
        return True

    @abstractmethod
    def send(self, parts: Sequence[Buffer], nbytes: int) -> bool:
        """Hand over a message of `nbytes` without waiting; False when there is no room for it now."""

    @abstractmethod
    def read(self, replies: deque[Held]) -> int:
        """Take in what has come, replies into `replies`; how many messages were acknowledged."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the link took."""


class DirectSender(Sender):
    """The producer's end; a transport adds how to connect and how to wait."""

    def __init__(self, address: Address, kind: str) -> None:
        where = address.where
        self._kind = kind
        self._depth = int(where["depth"])
        self._limit_bytes = int(where["message_bytes"])
        self._in_flight = 0
        self._replies: deque[Held] = deque()
        self._shown: Held | None = None
        self._links: list[Link | None] = [None] * int(where["workers"])

    @abstractmethod
    def _connect(self, worker: int) -> Link | None:
        """A link to the worker, or None when nobody listens."""

    @abstractmethod
    def _wait(self, timeout_s: float) -> None:
        """Until a worker may have answered, or be gone, or `timeout_s` seconds have passed."""

    def _connect_all(self) -> None:
        """Raises BrokerError when there is no worker at all."""
        try:
            for worker in range(len(self._links)):
                self._links[worker] = self._connect(worker)
        except BaseException:
            self.close()
            raise
        if not any(self._links):
            raise BrokerError("no worker listens", where=self._kind, remedy="open the receivers first")

    def _drop(self, worker: int, link: Link) -> None:
        self._links[worker] = None
        self._in_flight -= link.in_flight
        link.close()

    def _read(self) -> None:
        """Take in what the workers have answered; never waits."""
        for worker, link in enumerate(self._links):
            if link is None:
                continue
            try:
                done = link.read(self._replies)
            except OSError:
                self._drop(worker, link)
            else:
                link.in_flight -= done
                self._in_flight -= done

    def _choose(self) -> tuple[int, Link] | None:
        """The ready worker with the fewest in flight, if there is room for one more message."""
        if self._in_flight >= self._depth:
            return None
        best: tuple[int, Link] | None = None
        for worker, known in enumerate(self._links):
            link = known
            if link is None:
                self._links[worker] = link = self._connect(worker)
            if link is not None and link.ready() and (best is None or link.in_flight < best[1].in_flight):
                best = worker, link
        return best

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """To the worker with the fewest in flight; answers are taken in first."""
        nbytes = total_bytes(parts)
        if nbytes > self._limit_bytes:
            raise Rejected(
                f"{nbytes} bytes where at most {self._limit_bytes} were announced", where=self._kind
            )
        self._shown = None
        self._read()
        deadline = -1.0
        while True:
            chosen = self._choose()
            if chosen is not None:
                worker, link = chosen
                try:
                    if link.send(parts, nbytes):
                        link.in_flight += 1
                        self._in_flight += 1
                        return True
                except OSError:
                    self._drop(worker, link)
                    continue
            now = monotonic()
            if deadline < 0:
                deadline = now + timeout
            if now >= deadline:
                return False
            self._wait(self._patience_s(deadline - now))
            self._read()

    def reply(self, timeout: float) -> Reply | None:
        """The oldest reply not seen yet."""
        self._shown = None
        if not self._replies:
            self._read()
            if not self._replies and timeout > 0:
                deadline = monotonic() + timeout
                while not self._replies and (left := deadline - monotonic()) > 0:
                    self._wait(self._patience_s(left))
                    self._read()
            if not self._replies:
                return None
        self._shown = held = self._replies.popleft()
        return Reply(held[0])

    def _patience_s(self, left_s: float) -> float:
        """A worker that is missing may be back soon, and nothing tells."""
        return min(left_s, RETRY_S) if None in self._links else left_s

    def close(self) -> None:
        """What workers have taken over stays theirs."""
        self._shown = None
        self._replies.clear()
        for worker, link in enumerate(self._links):
            if link is not None:
                self._drop(worker, link)
