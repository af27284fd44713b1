"""What an end really uses: what it says itself, and the sockets that its opening brought into this process."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from benchkit.transports.base import Receiver, Sender
from benchkit.transports.family import families

_OPEN = Path("/proc/self/fd")
Open = frozenset[str]


def open_sockets() -> Open:
    """The sockets of this process, each by the kernel's name for it; empty where the kernel does not say."""
    return frozenset(name for _, name in _sockets())


EVERY = "every connection"


def used(end: Sender | Receiver, before: Open, link_ports: Collection[int] = ()) -> dict[str, str]:
    """What the end says, and as `opened` the families of the sockets connected since `before`.

    With `link_ports`, as `link`: whether all of those lead to a port of the link.
    A plug-in's mistake in saying it costs no block: it has then said nothing.
    """
    said: Mapping[str, str] = {}
    with suppress(Exception):
        said = end.path()
    found = {str(key): str(value) for key, value in said.items()} if isinstance(said, Mapping) else {}
    opened, link = _connected(before, link_ports)
    return {**found, **({"opened": opened} if opened else {}), **({"link": link} if link else {})}


def _connected(before: Open, link_ports: Collection[int]) -> tuple[str, str]:
    socks: list[socket.socket] = []
    try:
        for fd, name in _sockets():
            if name not in before:
                with suppress(OSError):
                    socks.append(socket.socket(fileno=os.dup(fd)))
        connected = [sock for sock in socks if _is_connection(sock)]
        return families(connected), _led(connected, link_ports) if link_ports else ""
    finally:
        for sock in socks:
            sock.close()


def _led(connected: Collection[socket.socket], link_ports: Collection[int]) -> str:
    """How many of the connections lead to the link; empty where the kernel does not show them."""
    if not _OPEN.is_dir():
        return ""
    through = sum(_peer_port(sock) in link_ports for sock in connected)
    return EVERY if through and through == len(connected) else f"{through} of {len(connected)} connections"


def _peer_port(sock: socket.socket) -> int | None:
    with suppress(OSError):
        peer = sock.getpeername()
        return int(peer[1]) if isinstance(peer, tuple) else None
    return None


def _is_connection(sock: socket.socket) -> bool:
    """Connected to another process: no listener, no pair of this process's own (an event loop has one).

    What a UDP socket is connected to is all that it sends to and hears of.
    """
    with suppress(OSError):
        inet = sock.family in (socket.AF_INET, socket.AF_INET6)
        return (sock.type == socket.SOCK_STREAM or (inet and sock.type == socket.SOCK_DGRAM)) and bool(
            sock.getpeername()
        )
    return False


def _sockets() -> list[tuple[int, str]]:
    found = []
    for link in _OPEN.iterdir() if _OPEN.is_dir() else ():
        # Another thread may close what was just listed, and the listing itself is in the list.
        with suppress(OSError):
            found.append((int(link.name), str(link.readlink())))
    return [(fd, name) for fd, name in found if name.startswith("socket:")]
