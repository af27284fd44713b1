"""Where a producer meets a worker: a Unix socket at which descriptors are handed over.

Worker i listens on `<folder>/<name>-<i>.sock`. The socket of a connection is also the news of a death: the
kernel closes it when its owner dies, however it dies.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchkit.errors import StorageError
from benchkit.transports.base import Setup

_MAX_PATH_BYTES = 103
"""What sun_path holds before its final NUL where that is shortest (macOS)."""
_PATIENCE_S = 1.0
"""A producer sends its descriptors at once after connecting; one that was killed in between never does."""


@contextmanager
def meeting(setup: Setup, depth: int, suffix: str = "sock") -> Iterator[dict[str, str | int]]:
    """What an address says of the meeting; the sockets that workers made are removed on exit.

    Raises StorageError when the folder's path is too long for a socket.
    """
    prefix = str(setup.folder / setup.name)
    paths = [Path(f"{prefix}-{worker}.{suffix}") for worker in range(setup.workers)]
    longest = max(len(os.fsencode(path)) for path in paths)
    if longest > _MAX_PATH_BYTES:
        raise StorageError(
            f"the path of a socket may have {_MAX_PATH_BYTES} bytes, this one has {longest}",
            where=str(paths[-1]),
            remedy="set TMPDIR to a folder with a shorter path",
        )
    try:
        yield {
            "prefix": prefix,
            "workers": setup.workers,
            "depth": depth,
            "message_bytes": setup.message_bytes,
            "reply_bytes": setup.reply_bytes,
        }
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def socket_path(where: Mapping[str, str | int], worker: int) -> Path:
    """The socket of `worker`."""
    return Path(f"{where['prefix']}-{worker}.sock")


def listen(path: Path) -> socket.socket:
    """A non-blocking listener in place of whoever listened there before; raises StorageError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
    except OSError as error:
        listener.close()
        raise StorageError(f"cannot listen on {path}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def call(path: Path, message: bytes, descriptors: Sequence[int]) -> socket.socket | None:
    """A connection over which `message` and copies of `descriptors` went; None when nobody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(str(path))
        socket.send_fds(sock, [message], list(descriptors))
    except OSError:  # not there, not listening any more, or too many waiting: the next try will tell
        sock.close()
        return None
    return sock


def answer(
    listener: socket.socket, message_bytes: int, count: int
) -> tuple[socket.socket, bytes, list[int]] | None:
    """The next caller's connection, message and `count` descriptors, which are ours to close; or None."""
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return None
        sock.settimeout(_PATIENCE_S)
        try:
            message, descriptors, _, _ = socket.recv_fds(sock, message_bytes, count)
        except OSError:
            message, descriptors = b"", []
        if len(message) == message_bytes and len(descriptors) == count:
            sock.setblocking(False)
            return sock, message, descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        sock.close()
