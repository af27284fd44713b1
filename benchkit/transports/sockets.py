"""What a scenario may set of the sockets of a transport's ends, and what the kernel made of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from benchkit.units import Bytes

Buffer = Annotated[Bytes, Field(ge=2048, le=1 << 30)]


@dataclass(frozen=True, slots=True)
class Sockets:
    """Plain data, so that it can be part of an address; None leaves what the transport, or the kernel, chooses."""

    send_buffer: int | None = None
    receive_buffer: int | None = None
    nodelay: bool = True

    def plain(self) -> dict[str, int]:
        """What differs from the defaults, as an address takes it."""
        found = {name: value for name in _BUFFERS if (value := getattr(self, name)) is not None}
        return found if self.nodelay else {**found, "nodelay": 0}

    @staticmethod
    def of(where: Mapping[str, str | int]) -> Sockets:
        """From an address."""
        buffers = {name: int(where[name]) for name in _BUFFERS if name in where}
        return Sockets(**buffers, nodelay=bool(where.get("nodelay", 1)))

    def apply(self, sock: socket.socket) -> None:
        """Set them on a socket; buffers may also be changed while it is connected."""
        for name, option in _BUFFERS.items():
            size = getattr(self, name)
            if size is not None:
                sock.setsockopt(socket.SOL_SOCKET, option, size)
        if sock.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(self.nodelay))

    def found(self, socks: Iterable[socket.socket]) -> dict[str, str]:
        """What the kernel really gave for what was asked, the least of several sockets, by the options' names.

        Linux doubles a buffer's size for its own bookkeeping and bounds it (net.core.wmem_max, rmem_max).
        """
        living = [sock for sock in socks if sock.fileno() >= 0]
        asked = [name for name in _BUFFERS if getattr(self, name) is not None]
        told = {
            name: str(min(sock.getsockopt(socket.SOL_SOCKET, _BUFFERS[name]) for sock in living))
            for name in asked
            if living
        }
        tcp = [sock for sock in living if sock.family in (socket.AF_INET, socket.AF_INET6)]
        if tcp and not self.nodelay:
            on = any(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for sock in tcp)
            told["nodelay"] = str(on).lower()
        return told


_BUFFERS = {"send_buffer": socket.SO_SNDBUF, "receive_buffer": socket.SO_RCVBUF}


class SocketOptions(BaseModel):
    """The same as options of a transport."""

    send_buffer: Buffer | None = Field(
        None, description="SO_SNDBUF of the connections; what the kernel gave is recorded with each end"
    )
    receive_buffer: Buffer | None = Field(None, description="SO_RCVBUF of the connections, likewise")
    nodelay: bool = Field(
        True, description="TCP_NODELAY: small writes go at once; false waits for more of them"
    )

    @property
    def sockets(self) -> Sockets:
        """As the ends take them."""
        return Sockets(self.send_buffer, self.receive_buffer, self.nodelay)
