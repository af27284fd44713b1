"""The producer's end of the zeromq transport."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from math import ceil
from threading import Lock
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils import garbage
from zmq.utils.monitor import recv_monitor_message

from benchkit.errors import BrokerError
from benchkit.transports._direct.sender import DirectSender, Held, Link
from benchkit.transports._zeromq.place import KEY_BYTES, LEAST_LIMIT_BYTES, endpoint, route
from benchkit.transports.base import Address, Buffer
from benchkit.transports.buffers import Pool, gather

if TYPE_CHECKING:
    from zmq import MessageTracker

COPY_BELOW_BYTES = 1 << 16
"""Smaller messages are copied: the news that libzmq is done with a buffer costs a thread's wake-up."""
RECONNECT_MS = 5
_HANDSHAKE_S = 2.0
_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED

_senders = 0
_senders_lock = Lock()
"""Of this process; the last one stops the thread of pyzmq that hears which buffers are free."""


class Loans:
    """Buffers that libzmq reads from, of one sender; each comes back when it is done with.

    `most` at a time: a message may be acknowledged before libzmq's thread has let go of its buffer.
    """

    def __init__(self, nbytes: int, most: int) -> None:
        self._pool = Pool(nbytes)
        self._most = most
        self._lent: list[tuple[MessageTracker, memoryview]] = []

    def take(self) -> memoryview | None:
        """A buffer that libzmq does not read; None while it reads as many as it may."""
        if self._lent:
            still = []
            for loan in self._lent:
                if loan[0].done:
                    self._pool.give(loan[1])
                else:
                    still.append(loan)
            self._lent = still
        return self._pool.take() if len(self._lent) < self._most else None

    def lend(self, tracker: MessageTracker, buffer: memoryview) -> None:
        """libzmq reads this one until the tracker says otherwise."""
        self._lent.append((tracker, buffer))

    def back(self, buffer: memoryview) -> None:
        """It was not needed."""
        self._pool.give(buffer)

    def settle(self) -> None:
        """Wait until libzmq, whose sockets are closed, has let go of everything."""
        for tracker, _ in self._lent:
            tracker.wait()
        self._lent.clear()


class ZmqLink(Link):
    """A DEALER socket, and the socket that tells of its connection."""

    __slots__ = ("_alive", "_endpoint", "_loans", "_place", "events", "sock")

    def __init__(self, context: zmq.Context[Any], address: Address, worker: int, loans: Loans) -> None:
        super().__init__()
        where = address.where
        self._place = (where, worker)
        self._endpoint = endpoint(where, worker)
        self._loans = loans
        self._alive = False
        self.sock = sock = context.socket(zmq.DEALER)
        sock.linger = 0
        sock.routing_id = bytes.fromhex(str(where["key"])) + os.urandom(KEY_BYTES)
        sock.sndhwm = 2 * int(where["depth"])
        sock.rcvhwm = 0  # acknowledgements and replies, no more than there are messages in flight
        sock.maxmsgsize = max(int(where["reply_bytes"]), LEAST_LIMIT_BYTES)
        sock.reconnect_ivl = RECONNECT_MS
        self.events = sock.get_monitor_socket(_EVENTS)
        if self._endpoint:
            sock.connect(route(where, worker))

    def ready(self) -> bool:
        """Once both sides have shaken hands."""
        return self._alive

    def look(self) -> None:
        """Follow what became of the connection; raises ConnectionResetError when it is lost."""
        events = self.events
        while events.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            event = recv_monitor_message(events)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._alive = True
            elif event == zmq.EVENT_DISCONNECTED or endpoint(*self._place) != self._endpoint:
                raise ConnectionResetError("the worker is gone, or is another one")
        if not self._endpoint and endpoint(*self._place):
            raise ConnectionResetError("the worker has come")

    def send(self, parts: Sequence[Buffer], nbytes: int) -> bool:
        """Copied once: into libzmq's memory, or, if large, into a buffer that libzmq sends from."""
        if nbytes < COPY_BELOW_BYTES:
            return self._put(b"".join(parts))
        buffer = self._loans.take()
        if buffer is None:
            return False
        gather(parts, buffer)
        try:
            tracker = self.sock.send(buffer[:nbytes], zmq.NOBLOCK, copy=False, track=True)
        except zmq.Again:
            self._loans.back(buffer)
            return False
        self._loans.lend(tracker, buffer)
        return True

    def _put(self, message: bytes) -> bool:
        try:
            self.sock.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def read(self, replies: deque[Held]) -> int:
        """Every reply and acknowledgement that is there."""
        sock, done = self.sock, 0
        while sock.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            frame = sock.recv(copy=False)
            if frame.more:
                sock.recv()
            else:
                replies.append((frame.buffer, frame))
            done += 1
        if not done:
            self.look()
        return done

    def close(self) -> None:
        """What the worker has not got is given up."""
        self.sock.disable_monitor()
        self.events.close(0)
        self.sock.close(0)


class ZmqSender(DirectSender):
    """The producer's end: a context (one thread) of its own."""

    def __init__(self, address: Address) -> None:
        global _senders  # noqa: PLW0603  (see where it is defined)
        super().__init__(address, "zeromq")
        self._address = address
        self._context: zmq.Context[Any] = zmq.Context()
        self._loans = Loans(self._limit_bytes, int(address.where["depth"]) + 1)
        with _senders_lock:
            _senders += 1
        try:
            self._connect_all()
            self._shake_hands()
        except BaseException:
            self.close()
            raise

    def _shake_hands(self) -> None:
        """Every worker listens already, so it takes a moment only; one is enough to begin with."""
        deadline = monotonic() + _HANDSHAKE_S
        while (left_s := deadline - monotonic()) > 0:
            if all(link is not None and link.ready() for link in self._links):
                return
            self._wait(left_s)
            self._read()
            self._choose()
        if not any(link is not None and link.ready() for link in self._links):
            raise BrokerError("no worker listens", where="zeromq", remedy="open the receivers first")

    def _connect(self, worker: int) -> Link | None:
        return ZmqLink(self._context, self._address, worker, self._loans)

    def _wait(self, timeout_s: float) -> None:
        poller = zmq.Poller()
        for link in self._links:
            if isinstance(link, ZmqLink):
                poller.register(link.sock, zmq.POLLIN)
                poller.register(link.events, zmq.POLLIN)
        poller.poll(ceil(timeout_s * 1000))

    def close(self) -> None:
        """Also ends the thread of pyzmq that hears which buffers are free, if no sender is left to need it."""
        global _senders  # noqa: PLW0603  (see where it is defined)
        if self._context.closed:
            return
        super().close()
        self._context.term()
        self._loans.settle()
        with _senders_lock:
            _senders -= 1
            if not _senders and not garbage.gc.refs:
                garbage.gc.stop()
