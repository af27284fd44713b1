"""Datagrams with the moment at which the kernel had them, on the clock of the link's loop.

A proxy that had no core for a while finds datagrams that have waited. What a link would have done with them by now
follows from when they came, not from when they are read. Linux notes that moment on request (`SO_TIMESTAMPNS`,
Documentation/networking/timestamping.rst), by the wall clock; elsewhere what is read has come now.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import Any, Final

DATAGRAM_BYTES: Final = 1 << 16
_SO_TIMESTAMPNS: Final = 35
"""Of asm-generic/socket.h; what comes with a datagram has the same number."""
_TIMESPEC: Final = struct.Struct("@ll")

Receive = Callable[[], tuple[bytes, int, Any]]
"""A datagram, when it came (0: now), and whose it is; raises OSError, BlockingIOError where there is none."""


def plain(sock: socket.socket) -> Receive:
    """Without the moment, which costs about a microsecond."""

    def receive() -> tuple[bytes, int, Any]:
        data, sender = sock.recvfrom(DATAGRAM_BYTES)
        return data, 0, sender

    return receive


def stamped(sock: socket.socket) -> Receive:
    """With the moment, where the kernel tells it."""
    if sys.platform != "linux":
        return plain(sock)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return plain(sock)
    ancillary_bytes = socket.CMSG_SPACE(_TIMESPEC.size)

    def receive() -> tuple[bytes, int, Any]:
        data, ancillary, _, sender = sock.recvmsg(DATAGRAM_BYTES, ancillary_bytes)
        came_ns = 0
        for level, kind, told in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(told) == _TIMESPEC.size:
                seconds, rest_ns = _TIMESPEC.unpack(told)
                came_ns = seconds * 1_000_000_000 + rest_ns - (time_ns() - monotonic_ns())
        return data, came_ns, sender

    return receive
