"""The worker's end of the unix transport."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from select import select
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped

from benchkit.errors import Rejected, StorageError
from benchkit.tensors.wire import total_bytes
from benchkit.transports._unix.link import MESSAGE, Frame, Link
from benchkit.transports.base import Address, Buffer, Delivery, Receiver
from benchkit.transports.buffers import Pool
from benchkit.transports.family import family


class UnixDelivery(Delivery):
    """A message in a buffer of the worker's pool."""

    __slots__ = ("_buffer", "_link", "_owes", "_receiver", "view")

    def __init__(self, receiver: UnixReceiver, link: Link, frame: Frame) -> None:
        self._receiver = receiver
        self._link = link
        self._buffer = frame.buffer
        self._owes = True
        self.view = frame.buffer[: frame.length].toreadonly()

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Acknowledges too, so that a message with a reply costs one write."""
        nbytes = total_bytes(parts)
        if nbytes > self._receiver.reply_limit_bytes:
            limit = self._receiver.reply_limit_bytes
            raise Rejected(f"a reply of {nbytes} bytes where at most {limit} were announced", where="unix")
        self._owes = False
        with suppress(OSError):  # the producer is gone: nobody waits for it
            self._link.reply(parts, nbytes)

    def ack(self) -> None:
        """Goes without waiting."""
        if self._owes:
            self._owes = False
            with suppress(OSError):  # as above
                self._link.ack()

    def release(self) -> None:
        """The buffer takes the next message."""
        self._receiver.pool.give(self._buffer)


def checked(frame: Frame | None) -> Frame | None:
    """A frame that a producer may send; another one ends its connection as a broken one does."""
    if frame is not None and frame.kind != MESSAGE:
        raise ConnectionAbortedError(f"no producer sends frames of kind {frame.kind}")
    return frame


class UnixReceiver(Receiver):
    """A worker's end: one listening socket, one producer at a time."""

    def __init__(self, address: Address, worker: int) -> None:
        where = address.where
        self._limit_bytes = int(where["message_bytes"])
        self.reply_limit_bytes = int(where["reply_bytes"])
        self.pool = Pool(self._limit_bytes, ready=1)
        self._link: Link | None = None
        path = Path(f"{where['prefix']}-{worker}.sock")
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
            path.chmod(0o600)
            self._listener.listen()
        except OSError as error:
            self._listener.close()
            raise StorageError(f"cannot listen on {path}: {error.strerror}", where="unix") from error
        self._listener.setblocking(False)

    def receive(self, timeout: float) -> Delivery | None:
        """The next message of whichever producer is connected."""
        deadline = 0.0
        while True:
            frame = self._next()
            if frame is not None and self._link is not None:
                return UnixDelivery(self, self._link, frame)
            now = monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                return None
            select((self._link or self._listener,), (), (), deadline - now)

    def _next(self) -> Frame | None:
        while True:
            if self._link is None:
                try:
                    sock, _ = self._listener.accept()
                except BlockingIOError:
                    return None
                self._link = Link(sock, self.pool, self._limit_bytes)
            try:
                self._link.ack(0)
                return checked(self._link.frame())
            except OSError:
                self._link.close()
                self._link = None

    def path(self) -> Mapping[str, str]:
        """Of the socket that listens: nobody has connected yet."""
        return {"family": family(self._listener)}

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        if self._link is not None:
            self._link.close()
        self._listener.close()
