"""From a URL to a connection that is authenticated and greeted, or an error that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchkit.errors import BrokerError
from benchkit.transports import urls
from benchkit.transports._redis.resp import Refused, Resp
from benchkit.transports.family import families
from benchkit.transports.links import link
from benchkit.transports.sockets import Sockets

CONNECT_S = 5.0
_OTHER_SERVER = "see that host and port are those of a Redis or Valkey, and that only TLS has rediss://"
_VERSION = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?")
_NUMBER = re.compile(r"\d{1,18}")
OLDEST = (6, 2)
"""BLMOVE, XAUTOCLAIM and CLIENT LIST ID came with Redis 6.2."""


SCHEMES = {"redis": "TCP", "rediss": "TLS", "unix": "a Unix socket"}
FAMILIES = {"redis": "tcp", "rediss": "tls", "unix": "unix"}


def shown(url: str) -> str:
    """What of it may be printed."""
    return urls.shown(url, SCHEMES, "Redis")


def check(url: str) -> None:
    """Raises BrokerError where `url` is not that of a Redis; connects to nothing."""
    if url.partition("://")[0] not in SCHEMES:
        raise _no_url(url)
    _connection(url)


def connect(url: str, sockets: Sockets | None = None) -> Resp:
    """A fresh connection, RESP3 where the server has it; raises BrokerError, never with the password.

    `sockets` is what the scenario sets; None leaves the socket as it is.
    """
    from redis.exceptions import AuthenticationError, RedisError, ResponseError

    connection = _connection(url)
    try:
        try:
            connection.connect()
        except (ResponseError, AuthenticationError) as error:
            if "protocol=" in url or not _without_resp3(str(error), given=bool(connection.password)):
                raise
            connection = _connection(url, protocol=2)
            connection.connect()
    except (RedisError, OSError, UnicodeError) as error:
        # The library's text may hold the URL's parts: only what is known to be harmless goes on.
        raise translated(error, url) from None
    sock = connection._sock  # noqa: SLF001  (redis-py has no public name for it)
    made = link(sock)
    if sockets is not None:
        sockets.apply(sock)
    return Resp(made, connection.disconnect, sock)


def _without_resp3(text: str, *, given: bool) -> bool:
    # Proxies, managed servers, HELLO renamed: "unknown command 'HELLO'", "NOPROTO unsupported protocol version".
    # With a password set the server wants that first, although the HELLO that it does not know has it.
    return "HELLO" in text or "NOPROTO" in text or (given and text.startswith("Authentication required"))


def _connection(url: str, protocol: int = 3) -> Any:
    from redis.connection import Connection, parse_url

    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        make: Any = options.pop("connection_class", Connection)
        options.setdefault("protocol", protocol)
        options.setdefault("socket_timeout", CONNECT_S)
        options.setdefault("socket_connect_timeout", CONNECT_S)
        return make(**options)
    except Exception:  # noqa: BLE001  (any text in it may hold the password)
        raise _no_url(url) from None


def _no_url(url: str) -> BrokerError:
    return BrokerError(
        "not a Redis URL",
        where=shown(url),
        remedy="write redis://, rediss:// or unix://, for example redis://user:password@host:6379/0;"
        " escape special characters of the password as %40 and the like",
    )


def translated(error: Exception, url: str) -> BrokerError:
    """What the library says, for people and without the URL's secrets."""
    from redis import exceptions

    where = shown(url)
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text:
        given = "refuses this user or password" if "@" in urlsplit(url).netloc else "needs a password"
        return BrokerError(
            f"the broker {given}",
            where=where,
            remedy="put them into the URL: redis://user:password@host:6379/0",
        )
    if isinstance(error, exceptions.TimeoutError):
        return BrokerError(
            f"connected to nothing that answers within {CONNECT_S:g} s",
            where=where,
            remedy=_OTHER_SERVER,
        )
    if isinstance(error, exceptions.ResponseError) and "HELLO" in text:
        return BrokerError(
            "the broker does not know HELLO",
            where=where,
            remedy="add ?protocol=2 to the URL, or use Redis 6.2 or later",
        )
    if isinstance(error, exceptions.ConnectionError) and (" connecting to " in text or "Error " in text[:6]):
        return BrokerError(
            "cannot connect to the broker: " + _reason(text),
            where=where,
            remedy="start the server, correct the URL, or leave `url` out to use the embedded broker",
        )
    return BrokerError(
        "what answers there speaks no Redis protocol",
        where=where,
        remedy=_OTHER_SERVER,
    )


def _reason(text: str) -> str:
    for reason in (
        "refused",
        "No such file",
        "Permission denied",
        "not known",
        "certificate",
        "unreachable",
        "SSL",
    ):
        if reason.lower() in text.lower():
            return {"refused": "connection refused", "not known": "unknown host", "SSL": "TLS failed"}.get(
                reason, reason
            )
    return "no connection"


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself."""

    name: str
    version: str
    pid: int


def info(resp: Resp, url: str, section: str) -> dict[str, str]:
    """What INFO says in one section; raises BrokerError when it will not say."""
    try:
        text = resp.call("INFO", section)
    except Refused as error:
        raise BrokerError(
            f"the broker refuses INFO: {error}", where=shown(url), remedy="allow this user the command INFO"
        ) from None
    if not isinstance(text, bytes):
        raise BrokerError("INFO is no text", where=shown(url))
    # A verbatim string of RESP3 starts with its format.
    lines = text.removeprefix(b"txt:").decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def inspect(resp: Resp, url: str) -> Server:
    """Name, version and process of the server; raises BrokerError when it is too old or will not say."""
    facts = info(resp, url, "server")
    redis_version = facts.get("redis_version", "0.0")
    name = facts.get("server_name", "redis")
    told = _VERSION.match(redis_version)
    process = facts.get("process_id", "0")
    if told is None or not _NUMBER.fullmatch(process):
        raise BrokerError("INFO tells no version and process", where=shown(url), remedy=_OTHER_SERVER)
    if (int(told[1]), int(told[2] or 0)) < OLDEST:
        raise BrokerError(
            f"{name} {redis_version} is too old",
            where=shown(url),
            remedy="use Redis 6.2 or later, or any Valkey",
        )
    return Server(name, facts.get(f"{name}_version", redis_version), int(process))


def path(connections: Sequence[Resp], url: str, sockets: Sockets) -> dict[str, str]:
    """What an end's connections are, and the server that answers on the first of them."""
    socks = [each.sock for each in connections if each.sock is not None]
    found = {"family": families(socks), **sockets.found(socks)}
    server = inspect(connections[0], url)
    return {**found, "server": f"{server.name} {server.version}"}
