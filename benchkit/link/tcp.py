"""A TCP link: a listener, and for each connection to it one to the server, with a pipe in either direction."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from benchkit.link.ends import LOOPBACK, End, resolve
from benchkit.link.lane import Lane
from benchkit.link.loop import BROKEN, READ, WRITE, Loop
from benchkit.link.pipe import AT_ONCE_BYTES, Pipe
from benchkit.link.plan import Endpoint

_WAITING: Final = 512
"""Connections that may wait to be accepted."""
_PAUSE_NS: Final = 50_000_000
"""Before another is accepted where the process has no descriptor left."""
_WINDOW_BYTES: Final = 1 << 17
"""Of the receiving sockets of a slow lane: what waits for the link should wait with its sender."""


class Connection:
    """A client, the server, and what flows between them."""

    def __init__(self, link: TcpLink, near: socket.socket) -> None:
        self._link = link
        self.near = End(link.loop, near, self._near_ready)
        self.far: End | None = None
        self._up: Pipe | None = None
        self._down: Pipe | None = None
        self.silent = False
        """A direction of it is dead, and nobody was told."""

    def connect(self) -> None:
        """Begin to connect to the server; the client is reset where that fails."""
        link = self._link
        try:
            family, address = resolve(link.upstream, socket.SOCK_STREAM)
            far = socket.socket(family, socket.SOCK_STREAM)
        except (OSError, ValueError):
            # The server does not listen (yet): for the client that is a connection that is reset.
            self.close(hard=True)
            return
        self.far = End(link.loop, far, self._connected)
        try:
            _prepare(far, link.down)
            code = far.connect_ex(address)
        except OSError:
            code = errno.ECONNREFUSED
        if code not in (0, errno.EINPROGRESS):
            self.close(hard=True)
            return
        self.far.want(WRITE)

    def _connected(self, _bits: int) -> None:
        far = self.far
        assert far is not None  # noqa: S101  (it is what became ready)
        if far.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close(hard=True)
            return
        far.drop(WRITE)
        link, near = self._link, self.near
        self.far = far = End(link.loop, far.sock, self._far_ready)
        calls = (self._done, self._reset)
        self._up = Pipe(link.loop, link.up, (near, far), link.buffer, calls)
        self._down = Pipe(link.loop, link.down, (far, near), link.buffer, calls)
        near.want(READ)
        far.want(READ)

    def _near_ready(self, bits: int) -> None:
        self._ready(self._up, self._down, self.near, bits)

    def _far_ready(self, bits: int) -> None:
        assert self.far is not None  # noqa: S101  (it is what became ready)
        self._ready(self._down, self._up, self.far, bits)

    def _ready(self, out: Pipe | None, into: Pipe | None, end: End, bits: int) -> None:
        if bits & WRITE and into is not None:
            into.writable()
        if end.mask & READ and bits & (READ | BROKEN) and out is not None:
            out.readable()
        elif bits & BROKEN and end.mask:
            self._reset()

    def _done(self) -> None:
        if self._up is not None and self._down is not None and self._up.ended and self._down.ended:
            self.close()

    def _reset(self) -> None:
        self.close(hard=True)

    def close(self, *, hard: bool = False) -> None:
        """Both sockets, with a reset where `hard`; again does nothing."""
        if self not in self._link.connections:
            return
        self._link.connections.discard(self)
        for pipe in (self._up, self._down):
            if pipe is not None:
                pipe.abandon()
        self.near.close(hard=hard)
        if self.far is not None:
            self.far.close(hard=hard)

    def silence(self, way: str) -> None:
        """Half-open: nothing crosses it any more this way (`up`, `down`, `both`), not even that an end has closed."""
        self.silent = True
        for name, pipe, ends in (
            ("up", self._up, (self.near, self.far)),
            ("down", self._down, (self.far, self.near)),
        ):
            if way in (name, "both"):
                if pipe is not None:
                    pipe.abandon()
                for end, mask in zip(ends, (READ, WRITE), strict=True):
                    if end is not None:
                        end.drop(mask)


class TcpLink:
    """One listener before one server, and all that is connected through it."""

    def __init__(self, loop: Loop, upstream: Endpoint, up: Lane, down: Lane) -> None:
        """Listens when it returns; raises OSError."""
        self.loop, self.upstream, self.up, self.down = loop, upstream, up, down
        self.buffer = memoryview(bytearray(AT_ONCE_BYTES))
        self.connections: set[Connection] = set()
        self.accepted = 0
        self._listener = socket.socket()
        try:
            if up.slow:
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
            self._listener.bind((LOOPBACK, 0))
            self._listener.listen(_WAITING)
            self._listener.setblocking(False)
        except OSError:
            self._listener.close()
            raise
        self.port = int(self._listener.getsockname()[1])
        loop.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self, _bits: int) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError:
                # No descriptors left: others may close some meanwhile.
                self.loop.forget(self._listener.fileno())
                self.loop.at(self.loop.now_ns() + _PAUSE_NS, self._listen_again)
                return
            self.accepted += 1
            near.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection := Connection(self, near))
            connection.connect()

    def _listen_again(self, _now_ns: int) -> None:
        if self._listener.fileno() >= 0:
            self.loop.watch(self._listener.fileno(), READ, self._accept)

    def reset(self, *, silent: bool = False) -> int:
        """Reset every connection, or those that are half-open; how many there were."""
        found = [each for each in self.connections if each.silent or not silent]
        for connection in found:
            connection.close(hard=True)
        return len(found)

    def half_open(self, way: str) -> int:
        """Leave every connection open and dead in a direction; how many there were."""
        for connection in self.connections:
            connection.silence(way)
        return len(self.connections)

    def facts(self) -> dict[str, Any]:
        """What is particular to this kind of link."""
        return {"connections": self.accepted, "open": len(self.connections)}

    def close(self) -> None:
        """The listener and every connection."""
        if self._listener.fileno() >= 0:
            self.loop.forget(self._listener.fileno())
            self._listener.close()
        for connection in list(self.connections):
            connection.close()


def _prepare(far: socket.socket, down: Lane) -> None:
    far.setblocking(False)
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if down.slow:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
