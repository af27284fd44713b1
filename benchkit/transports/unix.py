"""A Unix-domain stream socket for each worker: the floor that every broker must be compared with.

Worker i listens on `<folder>/<name>-<i>.sock`; the producer connects to all of them and sends each message
to the worker with the fewest in flight. At most `depth` messages are in flight (sent, neither answered nor
acknowledged). Of large messages a socket holds what the kernel's buffer holds; `send` waits for the rest.

A message is in the kernel's hands or a worker's. If that worker dies it is lost, and the producer goes on
with the others, or with whoever listens for the same worker number next.

Several producers connect to each worker alike, and a worker takes their messages in turn. `depth` holds for each
producer, which knows of its own messages only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from benchkit.errors import StorageError
from benchkit.transports._unix.fan_in import FanInReceiver
from benchkit.transports._unix.sender import UnixSender
from benchkit.transports._unix.worker import UnixReceiver
from benchkit.transports.base import Address, Capabilities, Receiver, Sender, Setup, Transport

_MAX_PATH_BYTES = 103
"""What sun_path holds before its final NUL where that is shortest (macOS)."""


class Unix(Transport):
    """Unix-domain sockets straight to the workers, no broker between."""

    kind: ClassVar[str] = "unix"

    def capabilities(self) -> Capabilities:
        """Each worker sees its messages in the order sent; one that dies takes them with it."""
        return Capabilities("at-most-once", "process", "per-worker", same_host=True, many_producers=True)

    def floor(self) -> str:
        """One send over a Unix socket."""
        return "unix-socket"

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
            "producers": setup.producers,
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
        receiver = FanInReceiver if int(address.where["producers"]) > 1 else UnixReceiver
        return receiver(address, worker)
