"""A UDP link: one port for clients, a socket of its own towards the server for each of them."""

from __future__ import annotations

import os
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

from benchkit.link.ends import LOOPBACK, resolve
from benchkit.link.lane import Lane
from benchkit.link.loop import READ, Loop
from benchkit.link.plan import Endpoint
from benchkit.link.stamped import Receive, plain, stamped

_AT_ONCE: Final = 64
"""Datagrams read in a row before others have their turn."""
_RECEIVE_BYTES: Final = 4 << 20
"""Asked of the kernel, so that it loses nothing that the link was not asked to lose."""
_MOST_CLIENTS: Final = 1024
"""The one that was silent for longest makes room for another."""

Send = Callable[[bytes], object]


@dataclass(slots=True)
class _UnderWay:
    entered_ns: int
    nbytes: int
    queued: bool
    """It had to stand in line behind others."""
    through_ns: int = 0
    """When the rate let it pass; 0: it has not been handed on yet."""


class Datagrams:
    """One direction: each datagram lost, held, doubled or handed on as its lane says."""

    def __init__(self, loop: Loop, lane: Lane) -> None:
        self._loop, self._lane = loop, lane
        self._due_ns = 0
        self._under_way: deque[_UnderWay] = deque()
        """As they entered: delays differ, and one that is overtaken left the rate before its overtaker."""

    def enter(self, data: bytes, send: Send, came_ns: int = 0) -> None:
        """A datagram is there, and came at that moment (0: now); `send` hands it on."""
        lane, asked, tally = self._lane, self._lane.asked, self._lane.tally
        tally.packets += 1
        if lane.nothing:
            self._pass(data, send)
            return
        now_ns, nbytes = monotonic_ns(), len(data)
        if came_ns:
            # What waited to be read has been at the link for longer: a loop that is late makes it no slower.
            now_ns = min(now_ns, came_ns)
        lane.begin(now_ns)
        if lane.dark_until_ns(now_ns) is not None:
            tally.blacked_out += 1
            return
        if lane.losses is not None and lane.losses.lost():
            tally.lost += 1
            return
        if lane.held_bytes + nbytes > lane.limit_bytes:
            tally.overflowed += 1
            return
        copies = 1
        if asked.duplicate and lane.chance() < asked.duplicate:
            tally.duplicated += 1
            copies = 2
        for _ in range(copies):
            self._hold(data, send, now_ns)

    def _pass(self, data: bytes, send: Send) -> None:
        entered_ns = monotonic_ns()
        _sent(send, data)
        self._lane.tally.nbytes += len(data)
        self._lane.tally.delay.add(monotonic_ns() - entered_ns)

    def _hold(self, data: bytes, send: Send, now_ns: int) -> None:
        lane, asked, nbytes = self._lane, self._lane.asked, len(data)
        queued = lane.shaper.backlog_bytes(now_ns) > 0
        through_ns = lane.shaper.leaves_ns(now_ns, nbytes)
        due_ns = through_ns + lane.draw()
        held_back = bool(asked.reorder) and lane.chance() < asked.reorder
        if held_back:
            due_ns += asked.reorder_by_ns
            lane.tally.reordered += 1
        elif asked.in_order:
            due_ns = self._due_ns = max(self._due_ns, due_ns)
        lane.held_bytes += nbytes
        own = _UnderWay(now_ns, nbytes, queued)
        if lane.alone_ns:
            self._under_way.append(own)

        def leave(_now_ns: int) -> None:
            lane.held_bytes -= nbytes
            _sent(send, data)
            left_ns, tally = monotonic_ns(), lane.tally
            tally.nbytes += nbytes
            if not held_back:
                tally.delay.add(left_ns - through_ns)
            own.through_ns = through_ns + left_ns - due_ns
            self._account()

        # Not by what the clock says meanwhile: those before it may still wait for their moment.
        if due_ns <= now_ns:
            leave(now_ns)
        else:
            self._loop.at(due_ns, leave)

    def _account(self) -> None:
        """What the rate let pass, in the order in which it did."""
        under_way = self._under_way
        while under_way and under_way[0].through_ns:
            first = under_way.popleft()
            self._lane.tally.departed(first.through_ns, first.entered_ns, first.nbytes, queued=first.queued)


def _sent(send: Send, data: bytes) -> None:
    """A datagram for which nobody listens, or for which the kernel has no room, is gone."""
    with suppress(OSError):
        send(data)


class _Far:
    """What one client sends to the server goes over this socket; another server in its place is found."""

    __slots__ = ("_upstream", "sock")

    def __init__(self, upstream: Endpoint) -> None:
        """Raises OSError or ValueError where the server cannot be found."""
        self._upstream = upstream
        family, address = resolve(upstream, socket.SOCK_DGRAM)
        self.sock = _bound(family)
        self.sock.connect(address)

    def send(self, data: bytes) -> None:
        """Raises OSError; the next datagram goes to where the server is then."""
        try:
            self.sock.send(data)
        except ConnectionRefusedError:
            self.look_again()
            raise

    def look_again(self) -> None:
        """Nobody listened there: a server that was started again may listen elsewhere."""
        with suppress(OSError, ValueError):
            self.sock.connect(resolve(self._upstream, socket.SOCK_DGRAM)[1])


def _nowhere(_data: bytes) -> None:
    """There is no server yet."""


class UdpLink:
    """One port before one server."""

    def __init__(self, loop: Loop, upstream: Endpoint, up: Lane, down: Lane) -> None:
        """Bound when it returns; raises OSError. Where the server is, is looked up for each client."""
        self.loop, self.up, self.down = loop, up, down
        self._upstream = upstream
        self._up, self._down = Datagrams(loop, up), Datagrams(loop, down)
        self._clients: OrderedDict[Any, _Far] = OrderedDict()
        self._seen = 0
        self._near = _bound(socket.AF_INET)
        self._near.bind((LOOPBACK, 0))
        self._receive = _receiving(self._near, up)
        self.port = int(self._near.getsockname()[1])
        loop.watch(self._near.fileno(), READ, self._from_clients)

    def _from_clients(self, _bits: int) -> None:
        clients, receive = self._clients, self._receive
        for _ in range(_AT_ONCE):
            try:
                data, came_ns, client = receive()
            except BlockingIOError:
                return
            except OSError:
                # News of an earlier datagram for which nobody listened.
                continue
            far = clients.get(client)
            if far is None:
                far = self._admit(client)
            else:
                clients.move_to_end(client)
            self._up.enter(data, _nowhere if far is None else far.send, came_ns)

    def _admit(self, client: Any) -> _Far | None:
        """None where the server is not there yet."""
        try:
            far = _Far(self._upstream)
        except (OSError, ValueError):
            return None
        self._seen += 1
        if len(self._clients) >= _MOST_CLIENTS:
            _, silent = self._clients.popitem(last=False)
            self._close(silent.sock)
        self._clients[client] = far
        near, receive = self._near, _receiving(far.sock, self.down)

        def back(data: bytes) -> int:
            return near.sendto(data, client)

        def from_server(_bits: int) -> None:
            for _ in range(_AT_ONCE):
                try:
                    data, came_ns, _ = receive()
                except BlockingIOError:
                    return
                except OSError:
                    far.look_again()
                    continue
                self._down.enter(data, back, came_ns)

        self.loop.watch(far.sock.fileno(), READ, from_server)
        return far

    def reset(self, *, silent: bool = False) -> int:  # noqa: ARG002  (as TcpLink has it)
        """Nothing is connected."""
        return 0

    def half_open(self, way: str) -> int:  # noqa: ARG002  (as TcpLink has it)
        """Nothing is connected."""
        return 0

    def facts(self) -> dict[str, Any]:
        """Clients, and datagrams that the kernel lost before the link saw them."""
        socks = [self._near, *(far.sock for far in self._clients.values())]
        return {"connections": self._seen, "open": len(self._clients), **_kernel_lost(socks)}

    def close(self) -> None:
        """All sockets; what is held goes nowhere."""
        for sock in (self._near, *(far.sock for far in self._clients.values())):
            self._close(sock)
        self._clients.clear()

    def _close(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self.loop.forget(sock.fileno())
            sock.close()


def _bound(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    return sock


def _receiving(sock: socket.socket, lane: Lane) -> Receive:
    return plain(sock) if lane.nothing else stamped(sock)


def _kernel_lost(socks: list[socket.socket]) -> dict[str, int]:
    """From the last column of /proc/net/udp, by the sockets' inodes; nothing where the kernel does not say."""
    if sys.platform != "linux":
        return {}
    inodes = {str(os.fstat(sock.fileno()).st_ino) for sock in socks}
    lost = 0
    for table in ("udp", "udp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
                columns = line.split()
                lost += int(columns[-1]) if columns[9] in inodes else 0
    return {"kernel_lost": lost}
