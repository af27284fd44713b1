"""Sockets of a link: addresses, options, and one end of a connection as the loop watches it."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any, Final

from benchkit.link.loop import Loop, OnReady
from benchkit.link.plan import Endpoint

LOOPBACK: Final = "127.0.0.1"
_LINGER_NONE: Final = struct.pack("ii", 1, 0)


def resolve(endpoint: Endpoint, kind: socket.SocketKind) -> tuple[int, Any]:
    """Family and socket address; raises OSError or ValueError where it has none (yet)."""
    port = endpoint.port or int(Path(endpoint.port_file).read_text("ascii"))
    family, _, _, _, address = socket.getaddrinfo(endpoint.host, port, type=kind)[0]
    return family, address


def reset(sock: socket.socket) -> None:
    """Close it so that the peer sees a connection reset by peer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    sock.close()


class End:
    """A socket and what the loop watches it for; with nothing to wait for it is not watched at all.

    A socket whose peer has gone reports that for as long as it is watched, also while nobody wants to read.
    """

    __slots__ = ("_loop", "_on_ready", "mask", "sock")

    def __init__(self, loop: Loop, sock: socket.socket, on_ready: OnReady) -> None:
        self.sock = sock
        self.mask = 0
        self._loop = loop
        self._on_ready = on_ready

    def want(self, bits: int) -> None:
        """Watch for these as well."""
        self._set(self.mask | bits)

    def drop(self, bits: int) -> None:
        """Watch for these no longer."""
        self._set(self.mask & ~bits)

    def _set(self, mask: int) -> None:
        if mask == self.mask:
            return
        fd = self.sock.fileno()
        if not self.mask:
            self._loop.watch(fd, mask, self._on_ready)
        elif mask:
            self._loop.change(fd, mask)
        else:
            self._loop.forget(fd)
        self.mask = mask

    def close(self, *, hard: bool = False) -> None:
        """`hard`: with a reset."""
        self._set(0)
        if hard:
            reset(self.sock)
        else:
            self.sock.close()
