"""One connection of the unix transport: whole frames in, gathered frames out.

::

    frame    u64 kind, u64 length, then `length` bytes; an ACK has no bytes, its length counts messages

A MESSAGE goes to the worker; a REPLY comes back and acknowledges its message too; an ACK is for messages
without a reply.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from select import select
from typing import NamedTuple

from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import Pool

MESSAGE, REPLY, ACK = range(3)
HEAD = struct.Struct("<QQ")
_HEAD_BYTES = HEAD.size
# What one system call may read ahead: a few sensor windows, and little to copy again of a large frame.
_AHEAD_BYTES = 16 * 1024
# Asked for and not always given (net.core.wmem_max): a 6.2 MB frame costs about a quarter less CPU time
# than with the default, because the two ends take turns less often.
_SEND_BUFFER_BYTES = 4 << 20
_MAX_PARTS = 1024
"""IOV_MAX of Linux and macOS."""


class Frame(NamedTuple):
    """A whole frame; `buffer` (from the link's pool) holds its bytes at the start."""

    kind: int
    length: int
    buffer: memoryview


class Link:
    """A connected, non-blocking socket; one thread reads, one thread at a time writes."""

    __slots__ = ("_ahead", "_body", "_end", "_filled", "_head", "_limit", "_owed", "_pool", "_start", "sock")

    def __init__(self, sock: socket.socket, pool: Pool, limit_bytes: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.sock = sock
        self._pool = pool
        self._limit = limit_bytes
        self._ahead = memoryview(bytearray(_AHEAD_BYTES))
        self._start = self._end = 0
        self._head = (0, 0)
        self._body: memoryview | None = None
        self._filled = 0
        self._owed = 0

    def fileno(self) -> int:
        """For `select`."""
        return self.sock.fileno()

    def close(self) -> None:
        """What was not read is lost to this side."""
        self.sock.close()

    # Reading -------------------------------------------------------------------------------------------

    def frame(self) -> Frame | None:
        """The next whole frame, or None when it has not come yet; OSError when the other side is gone."""
        while True:
            if self._body is not None:
                kind, length = self._head
                if self._filled < length:
                    if not (got := self._read(self._body[self._filled : length])):
                        return None
                    self._filled += got
                    continue
                frame = Frame(kind, length, self._body)
                self._body = None
                return frame
            start, end = self._start, self._end
            if end - start >= _HEAD_BYTES:
                self._start = start + _HEAD_BYTES
                self._head = kind, length = HEAD.unpack_from(self._ahead, start)
                if kind == ACK:
                    return Frame(kind, length, self._ahead)
                self._begin(length)
                continue
            if start:
                self._ahead[: end - start] = self._ahead[start:end]
                self._start, self._end = 0, end - start
            if not (got := self._read(self._ahead[self._end :])):
                return None
            self._end += got

    def _begin(self, length: int) -> None:
        """Take memory for a body of `length` bytes and move into it what was read ahead."""
        if length > self._limit:
            raise ConnectionAbortedError(f"a frame of {length} bytes where {self._limit} were announced")
        if self._head[0] not in (MESSAGE, REPLY):
            raise ConnectionAbortedError(f"a frame of kind {self._head[0]}")
        start = self._start
        here = min(length, self._end - start)
        body = self._pool.take(length)
        body[:here] = self._ahead[start : start + here]
        self._start = start + here
        self._body, self._filled = body, here

    def _read(self, into: memoryview) -> int:
        try:
            got = self.sock.recv_into(into)
        except BlockingIOError:
            return 0
        if not got:
            raise ConnectionResetError("the other side has closed")
        return got

    # Writing -------------------------------------------------------------------------------------------

    def write(self, parts: Sequence[Buffer]) -> int:
        """Bytes of `parts` that the kernel took now, 0 when it has no room; OSError when nobody is there."""
        try:
            return self.sock.sendmsg(parts if len(parts) <= _MAX_PARTS else parts[:_MAX_PARTS])
        except BlockingIOError:
            return 0

    def reply(self, parts: Sequence[Buffer], nbytes: int) -> None:
        """Write a whole REPLY, waiting for room as long as it takes: the producer reads while it sends."""
        frame: Sequence[Buffer] = [HEAD.pack(REPLY, nbytes), *parts]
        left = nbytes + _HEAD_BYTES
        while True:
            sent = self.write(frame)
            left -= sent
            if not left:
                return
            frame = rest(frame, sent)
            if not sent:
                select((), (self.sock,), ())

    def ack(self, count: int = 1) -> None:
        """Acknowledge; what finds no room now is owed, and goes with the next call (`count` may be 0)."""
        self._owed += count
        # 16 bytes go whole or not at all: the kernel makes one buffer of them.
        if self._owed and self.write((HEAD.pack(ACK, self._owed),)):
            self._owed = 0


def rest(parts: Sequence[Buffer], sent: int) -> list[Buffer]:
    """What is left of `parts` when their first `sent` bytes are gone, nothing copied."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []
