"""A link over TLS, where the library wants plain sends and reads."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Sequence
from time import monotonic
from typing import Protocol, cast

from benchkit.tensors.wire import Buffer
from benchkit.transports.links import PATIENCE_S, gone

_RECORD_BYTES = 1 << 14


class _Act(Protocol):
    def __call__(self, memory: memoryview, /) -> int: ...


class TlsLink:
    """A TLS socket: it cannot gather nor poll by flags, and may hold decrypted bytes that select misses."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = cast("ssl.SSLSocket", sock)

    def write(self, buffers: Sequence[Buffer], total_bytes: int) -> None:
        """Send small messages joined (one TLS record), large parts one by one."""
        if total_bytes <= _RECORD_BYTES:
            buffers = [b"".join(buffers)]
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                rest = rest[self._again(self._sock.send, rest) :]

    def _again(self, act: _Act, memory: memoryview) -> int:
        while True:
            try:
                count = act(memory)
            except ssl.SSLError as error:
                if not self._wait(error, PATIENCE_S):
                    raise gone(TimeoutError()) from None
                continue
            except OSError as error:
                raise gone(error) from None
            if not count:
                raise gone()
            return count

    def _wait(self, error: ssl.SSLError, timeout_s: float) -> bool:
        one = (self._sock,)
        if isinstance(error, ssl.SSLWantReadError):
            return bool(select.select(one, (), (), timeout_s)[0])
        if isinstance(error, ssl.SSLWantWriteError):
            return bool(select.select((), one, (), timeout_s)[1])
        raise gone(error) from None

    def arrive(self, memory: memoryview, timeout_s: float) -> int:
        """Read what is there; 0 when nothing came within `timeout_s`."""
        deadline_s = monotonic() + timeout_s
        while True:
            try:
                count = self._sock.recv_into(memory)
            except ssl.SSLError as error:
                if not self._wait(error, max(0.0, deadline_s - monotonic())):
                    return 0
                continue
            except OSError as error:
                raise gone(error) from None
            if not count:
                raise gone()
            return count

    def read(self, memory: memoryview) -> int:
        """Read at least one byte."""
        return self._again(self._sock.recv_into, memory)

    def fill(self, memory: memoryview) -> None:
        """Read until `memory` is full."""
        while memory:
            memory = memory[self.read(memory) :]
