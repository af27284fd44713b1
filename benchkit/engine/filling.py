"""Notices when a queue whose workers are held back is full: all was handed over, or no more goes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchkit.load.base import Arrival
from benchkit.load.search import Backlog
from benchkit.tensors.wire import Buffer
from benchkit.transports.base import Reply, Sender


class Filling(Sender):
    """A sender that says once when its queue is filled; otherwise the one that it wraps."""

    def __init__(self, sender: Sender, arrival: Arrival, filled: Callable[[], None]) -> None:
        self._sender = sender
        self._left = arrival.messages if isinstance(arrival, Backlog) else 1
        self._filled = filled
        self._full = False
        self._told = False

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Handed through; the last message, or the first one that finds no room, fills the queue."""
        self._tell()
        # Counted before, so that a message which is refused is no message to wait for.
        self._left -= 1
        self._full = self._left <= 0
        sent = self._sender.send(parts, timeout)
        if not sent:
            self._left += 1
            self._full = True
        return sent

    def reply(self, timeout: float) -> Reply | None:
        """Handed through; asked when the last message has its stamps."""
        self._tell()
        return self._sender.reply(timeout)

    def spun_s(self) -> float:
        """Handed through."""
        return self._sender.spun_s()

    def _tell(self) -> None:
        """At the call after the one that filled the queue: nothing may come between `send` and its stamp."""
        if self._full and not self._told:
            self._told = True
            self._filled()

    def close(self) -> None:
        """Handed through."""
        self._sender.close()
