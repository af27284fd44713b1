"""Of which family a live socket is, asked of the kernel."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable


def family(sock: socket.socket) -> str:
    """`unix`, `udp`, `tcp` or `tls`, by the name that the kernel gives it; `closed` when it has none any more."""
    try:
        name = sock.getsockname()
    except OSError:
        return "closed"
    if isinstance(name, (str, bytes)):
        return "unix"
    if sock.type == socket.SOCK_DGRAM:
        return "udp"
    return "tls" if isinstance(sock, ssl.SSLSocket) else "tcp"


def families(socks: Iterable[socket.socket]) -> str:
    """Of several sockets: one word where they agree, all of them where they do not."""
    return "+".join(sorted({family(sock) for sock in socks}))
