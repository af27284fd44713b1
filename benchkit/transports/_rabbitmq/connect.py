"""From a URL to a connection that is authenticated and has a channel, or an error that says what to do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from benchkit.errors import BrokerError
from benchkit.transports import urls
from benchkit.transports._rabbitmq.frames import Frames
from benchkit.transports.family import families
from benchkit.transports.links import link

CONNECT_S = 5.0
ANSWER_S = 20.0
"""How long the server may take to declare or delete a queue."""
INSTALL = "pip install 'benchkit[rabbitmq]'"
SCHEMES = {"amqp": "TCP", "amqps": "TLS"}
FAMILIES = {"amqp": "tcp", "amqps": "tls"}
PORTS = {"amqp": 5672, "amqps": 5671}
_OTHER_SERVER = "see that host and port are those of a RabbitMQ, and that only TLS has amqps://"
_TLS_OPTIONS = {"cacertfile": "ca_certs", "certfile": "certfile", "keyfile": "keyfile"}
"""Of RabbitMQ's URI query parameters (https://www.rabbitmq.com/docs/uri-query-parameters) those of files."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    vhost: str
    files: tuple[tuple[str, str], ...] = ()
    verify: bool = True


def shown(url: str) -> str:
    """What of it may be printed."""
    return urls.shown(url, SCHEMES, "RabbitMQ")


def target(url: str) -> Target:
    """Raises BrokerError, without any part of the URL that may be secret."""
    bad = BrokerError(
        "not a RabbitMQ URL",
        where=shown(url),
        remedy="write amqp:// or amqps://, for example amqp://user:password@host:5672/vhost;"
        " escape special characters of the password as %40 and the like",
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise bad from None
    verify = options.pop("verify", "verify_peer")
    known = parts.scheme == "amqps" or not options
    if (
        parts.scheme not in SCHEMES or not host or "@" in parts.path + parts.query or not known
        or options.keys() - _TLS_OPTIONS.keys() or verify not in ("verify_peer", "verify_none")
    ):  # fmt: skip
        raise bad
    return Target(
        parts.scheme, host, port or PORTS[parts.scheme], unquote(parts.username or "guest"),
        unquote(parts.password or "guest"), unquote(parts.path[1:]) or "/",
        tuple((_TLS_OPTIONS[name], value) for name, value in options.items()), verify == "verify_peer",
    )  # fmt: skip


def library() -> Any:
    """py-amqp; raises BrokerError, because without it a cell is skipped and the run goes on."""
    try:
        import amqp
    except ImportError:
        raise BrokerError("the transport 'rabbitmq' needs py-amqp", remedy=INSTALL) from None
    return amqp


def _tls(to: Target) -> dict[str, Any] | bool:
    if to.scheme != "amqps":
        return False
    options: dict[str, Any] = dict(to.files)
    if to.verify:
        return {**options, "server_hostname": to.host, "cert_reqs": ssl.CERT_REQUIRED}
    return {**options, "cert_reqs": ssl.CERT_NONE}


@contextmanager
def errors(url: str) -> Iterator[None]:
    """The library's errors as BrokerError, without the URL's secrets."""
    amqp = library()
    try:
        yield
    except (amqp.AMQPError, OSError) as error:
        raise translated(error, url) from None


def opened(url: str) -> Any:
    """A connection of the library, greeted; raises BrokerError, never with the password."""
    to = target(url)
    amqp = library()
    with errors(url):
        # A name in brackets is an address of IPv6, which the library splits from its port.
        host = f"[{to.host}]" if ":" in to.host else to.host
        connection = amqp.Connection(
            f"{host}:{to.port}", userid=to.user, password=to.password, virtual_host=to.vhost,
            authentication=(amqp.sasl.PLAIN(to.user, to.password),), ssl=_tls(to), connect_timeout=CONNECT_S,
            heartbeat=0, read_timeout=ANSWER_S, write_timeout=ANSWER_S,
        )  # fmt: skip
        connection.connect()
    return connection


@dataclass(slots=True)
class Opened:
    """One end's connection: its frames, and what the server said of itself."""

    frames: Frames
    server: str


def connect(url: str, *, confirms: bool = False) -> Opened:
    """A fresh connection with channel 1 open, its socket ours from now on."""
    connection = opened(url)
    try:
        with errors(url):
            channel = connection.channel()
            if confirms:
                channel.confirm_select()
        # The library reads frame by frame and never ahead: what comes next is still in the socket.
        sock = connection.transport.sock
        frames = Frames(link(sock), connection.frame_max, connection.collect, sock, shown(url))
    except BaseException:
        connection.collect()
        raise
    return Opened(frames, named(connection))


def named(connection: Any) -> str:
    """Product and version, as the server greets: "RabbitMQ 3.10.8"."""
    said = connection.server_properties
    return f"{said.get('product', 'AMQP server')} {said.get('version', '?')}"


def path(connections: Sequence[Opened]) -> dict[str, str]:
    """What an end's connections are, and the server that greeted them."""
    return {"family": families(each.frames.sock for each in connections), "server": connections[0].server}


def translated(error: Exception, url: str) -> BrokerError:
    """What the library says, for people and without the URL's secrets."""
    what, remedy = _meaning(error, library())
    return BrokerError(what, where=shown(url), remedy=remedy)


def _meaning(error: Exception, amqp: Any) -> tuple[str, str]:
    match error:
        case amqp.AccessRefused() if "Login" in str(error):
            return (
                "the broker refuses this user or password",
                "put them into the URL: amqp://user:password@host:5672/vhost",
            )
        case amqp.AccessRefused():
            return (
                "the broker forbids this user what the transport needs",
                "give the user the permissions configure, write and read on benchkit-.*",
            )
        case amqp.NotAllowed():
            return (
                "the broker has no such virtual host for this user",
                "write it behind the port: amqp://user:password@host:5672/vhost",
            )
        case amqp.AMQPError(code=int() as code) if code:
            return (
                f"the broker refuses what this transport needs: {code} {error.reply_text}",
                "see the server's log",
            )
        case TimeoutError():
            return "connected to nothing that answers", _OTHER_SERVER
        case ssl.SSLError():
            what = "its certificate cannot be trusted" if "CERTIFICATE" in str(error) else "TLS failed"
            return (
                f"cannot connect to the broker: {what}",
                "give the authority's certificate: amqps://...?cacertfile=ca.pem",
            )
        case OSError(errno=int()):
            return (
                f"cannot connect to the broker: {error.strerror or 'no connection'}",
                "start the server, correct the URL, or leave `url` out for a server of the run's own",
            )
    return "what answers there speaks no AMQP 0-9-1", _OTHER_SERVER
