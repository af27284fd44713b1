"""A Unix-domain stream socket for each worker: the floor that every broker must be compared with.

Worker i listens on `<folder>/<name>-<i>.sock`; the producer connects to all of them and sends each message
to the worker with the fewest in flight. At most `depth` messages are in flight (sent, neither answered nor
acknowledged). Of large messages a socket holds what the kernel's buffer holds; `send` waits for the rest.

A message is in the kernel's hands or a worker's. If that worker dies it is lost, and the producer goes on
with the others, or with whoever listens for the same worker number next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import ClassVar

from benchkit.errors import Rejected, StorageError
from benchkit.tensors.wire import total_bytes
from benchkit.transports._unix.link import Frame, Link
from benchkit.transports._unix.sender import UnixSender
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Receiver,
    Sender,
    Setup,
    Transport,
)
from benchkit.transports.buffers import Pool
from benchkit.transports.family import family

_MAX_PATH_BYTES = 103
"""What sun_path holds before its final NUL where that is shortest (macOS)."""


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
                return self._link.frame()
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


class Unix(Transport):
    """Unix-domain sockets straight to the workers, no broker between."""

    kind: ClassVar[str] = "unix"

    def capabilities(self) -> Capabilities:
        """Each worker sees its messages in the order sent; one that dies takes them with it."""
        return Capabilities("at-most-once", "process", "per-worker", same_host=True)

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Nothing runs yet: the workers make their sockets in the cell's folder; removed here at the end."""
        paths = [setup.folder / f"{setup.name}-{worker}.sock" for worker in range(setup.workers)]
        longest = max(len(os.fsencode(path)) for path in paths)
        if longest > _MAX_PATH_BYTES:
            raise StorageError(
                f"the path of a socket may have {_MAX_PATH_BYTES} bytes, this one has {longest}",
                where=str(paths[-1]),
                remedy="set TMPDIR to a folder with a shorter path",
            )
        where: dict[str, str | int] = {
            "prefix": str(setup.folder / setup.name),
            "workers": setup.workers,
            "depth": self.depth,
            "message_bytes": setup.message_bytes,
            "reply_bytes": setup.reply_bytes,
        }
        try:
            yield Address(where, "a Unix-domain stream socket to each worker", claim={"family": "unix"})
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def sender(self, address: Address) -> Sender:
        """Connects to every worker; raises BrokerError when none listens."""
        return UnixSender(address)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Listens in place of whoever had this worker number before."""
        return UnixReceiver(address, worker)
