"""From a URL to a connection that is authenticated and greeted, or an error that says what to do."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from benchkit.errors import BrokerError
from benchkit.transports import urls
from benchkit.transports._nats.wire import CRLF, Wire
from benchkit.transports.family import families
from benchkit.transports.links import link

CONNECT_S = 5.0
SCHEMES = {"nats": "TCP", "tls": "TLS"}
FAMILIES = {"nats": "tcp", "tls": "tls"}
PORT = 4222
_GREETING_BYTES = 1 << 16
_OTHER_SERVER = "see that host and port are those of a NATS server"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts; a user without a password is a token."""

    scheme: str
    host: str
    port: int
    user: str
    password: str | None


def shown(url: str) -> str:
    """What of it may be printed."""
    return urls.shown(url, SCHEMES, "NATS")


def target(url: str) -> Target:
    """Raises BrokerError, without any part of the URL that may be secret."""
    bad = BrokerError(
        "not a NATS URL", where=shown(url),
        remedy="write nats:// or tls://, for example nats://user:password@host:4222 or nats://token@host;"
        " escape special characters of the password as %40 and the like",
    )  # fmt: skip
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise bad from None
    if parts.scheme not in SCHEMES or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise bad
    password = None if parts.password is None else unquote(parts.password)
    return Target(parts.scheme, host, port or PORT, unquote(parts.username or ""), password)


def connect(url: str) -> Wire:
    """A fresh connection that the server has welcomed; raises BrokerError, never with the password."""
    to = target(url)
    where = shown(url)
    try:
        sock = socket.create_connection((to.host, to.port), CONNECT_S)
    except TimeoutError:
        raise BrokerError("connected to nothing that answers", where=where, remedy=_OTHER_SERVER) from None
    except OSError as error:
        raise BrokerError(
            f"cannot connect to the broker: {error.strerror or error}", where=where,
            remedy="start the server, correct the URL, or leave `url` out for a server of the run's own",
        ) from None  # fmt: skip
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _greeted(sock, to, where)
    except BaseException:
        sock.close()
        raise


def _greeted(sock: socket.socket, to: Target, where: str) -> Wire:
    stranger = BrokerError("what answers there speaks no NATS", where=where, remedy=_OTHER_SERVER)
    try:
        line = _first_line(sock)
        if not line.startswith(b"INFO "):
            raise stranger
        info = json.loads(line[5:])
        if not isinstance(info, dict):
            raise stranger
        if to.scheme == "tls":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=to.host)
        elif info.get("tls_required"):
            raise BrokerError("the broker wants TLS", where=where, remedy="write tls:// before the host")
        sock.sendall(b"CONNECT " + json.dumps(_hello(to)).encode() + CRLF + b"PING\r\n")
        answer = _first_line(sock)
    except TimeoutError:
        raise BrokerError("connected to nothing that answers", where=where, remedy=_OTHER_SERVER) from None
    except ssl.SSLError as error:
        what = "its certificate cannot be trusted" if "CERTIFICATE" in str(error) else "TLS failed"
        raise BrokerError(
            f"cannot connect to the broker: {what}", where=where,
            remedy="name its authority's certificate in SSL_CERT_FILE, or use nats://",
        ) from None  # fmt: skip
    except (OSError, ValueError, RecursionError):
        raise stranger from None
    if b"Authorization Violation" in answer or b"Authentication" in answer:
        given = (
            "refuses this user, password or token" if to.user else "needs a user and a password, or a token"
        )
        raise BrokerError(
            f"the broker {given}", where=where,
            remedy="put it into the URL: nats://user:password@host:4222 or nats://token@host:4222",
        )  # fmt: skip
    if answer != b"PONG":
        raise stranger
    return Wire(link(sock), sock.close, sock, where, info)


def _hello(to: Target) -> dict[str, Any]:
    hello: dict[str, Any] = {
        "verbose": False, "pedantic": False, "lang": "python", "version": "0", "protocol": 1,
        "name": "benchkit", "headers": True, "no_responders": True, "echo": True, "tls_required": to.scheme == "tls",
    }  # fmt: skip
    if to.password is not None:
        return {**hello, "user": to.user, "pass": to.password}
    return {**hello, "auth_token": to.user} if to.user else hello


def _first_line(sock: socket.socket) -> bytes:
    """Read byte by byte, so that nothing behind it is taken: TLS may begin there, or a message."""
    line = bytearray()
    while not line.endswith(CRLF):
        byte = sock.recv(1)
        if not byte or len(line) > _GREETING_BYTES:
            raise ConnectionResetError("closed before it had greeted")
        line += byte
    return bytes(line[:-2])


def path(wires: Sequence[Wire]) -> dict[str, str]:
    """What an end's connections are, and the server that greeted them."""
    return {"family": families(each.sock for each in wires), "server": wires[0].server}
