"""The worker's end of the unix transport where several producers send to it."""

from __future__ import annotations

import socket
from collections import deque
from select import select
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped

from benchkit.transports._unix.link import Frame, Link
from benchkit.transports._unix.worker import UnixDelivery, UnixReceiver, checked
from benchkit.transports.base import Address, Delivery


class FanInReceiver(UnixReceiver):
    """One listening socket, a connection from each producer; a delivery goes back over the one it came on.

    The connections that had something at the last look take turns, one message each; then all are looked at
    again. So none waits for another that never pauses, and a look is shared by as many messages as came at once.
    """

    def __init__(self, address: Address, worker: int) -> None:
        super().__init__(address, worker)
        self._links: list[Link] = []
        self._turns: deque[Link] = deque()
        """Those that may have a message and whose turn has not come since the last look."""
        self._had: list[Link] = []
        """Those whose turn is over: more may be in their memory, of which `select` knows nothing."""

    def receive(self, timeout: float) -> Delivery | None:
        """The next message of any producer."""
        deadline = 0.0
        while True:
            while self._turns:
                link = self._turns.popleft()
                frame = self._frame(link)
                if frame is not None:
                    self._had.append(link)
                    return UnixDelivery(self, link, frame)
            if self._had:
                self._look(0.0)
                continue
            now = monotonic()
            deadline = deadline or now + timeout
            self._look(max(0.0, deadline - now))
            if not self._turns and monotonic() >= deadline:
                return None

    def _look(self, timeout: float) -> None:
        """Whose turn it is next: those that had something, then those that have something new."""
        for link in self._links:
            try:
                link.ack(0)
            except OSError:
                continue  # whoever reads sees the end of the connection and drops it
        watched: list[Link | socket.socket] = [self._listener, *self._links]
        readable, _, _ = select(watched, (), (), timeout)
        turns = dict.fromkeys(self._had)
        self._had = []
        for ready in readable:
            if isinstance(ready, Link):
                turns[ready] = None
            else:
                turns.update(dict.fromkeys(self._accept()))
        self._turns.extend(turns)

    def _accept(self) -> list[Link]:
        """Connections of producers that have come."""
        new: list[Link] = []
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                self._links += new
                return new
            new.append(Link(sock, self.pool, self._limit_bytes))

    def _frame(self, link: Link) -> Frame | None:
        try:
            return checked(link.frame())
        except OSError:  # that producer is gone; what it has not finished is nobody's
            link.close()
            self._links.remove(link)
            return None

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        for link in self._links:
            link.close()
        super().close()
