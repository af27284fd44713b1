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
        self._told = False

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Handed through; the last message, or the first one that finds no room, fills the queue."""
        try:
            sent = self._sender.send(parts, timeout)
            self._left -= sent
        except BaseException:
            # Rejected or worse: nobody may go on waiting for it.
            self._left -= 1
            self._tell_when(self._left <= 0)
            raise
        self._tell_when(self._left <= 0 or not sent)
        return sent

    def _tell_when(self, full: bool) -> None:
        if full and not self._told:
            self._told = True
            self._filled()

    def reply(self, timeout: float) -> Reply | None:
        """Handed through."""
        return self._sender.reply(timeout)

    def close(self) -> None:
        """Handed through."""
        self._sender.close()
