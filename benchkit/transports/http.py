"""HTTP/1.1 over loopback TCP: uvicorn in each stage worker, a keep-alive pool in the producer.

`prepare` binds one port per worker and holds it without listening; each worker binds the same port
(SO_REUSEPORT, which the kernel grants to one user only) and listens. So the address is known before any
worker is, nobody else can be given the port in between, and a worker that was killed can have it again.
Requests go to a path that is a random key of the cell's own; others are answered with 404. Its name would not do:
any user of the machine can read names of sockets (/proc/net/unix) and of segments (/dev/shm).

A message that its worker has not answered is lost with the worker: at most once.

Several producers are clients like any others: each has its own connections, on which its replies come back, and
at most `depth` requests in flight on them.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchkit.errors import BrokerError
from benchkit.transports.base import (
    Address,
    Capabilities,
    Delivery,
    Detour,
    Endpoint,
    Receiver,
    Setup,
    Transport,
)
from benchkit.transports.sockets import SocketOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchkit.transports._http.client import HttpSender
    from benchkit.transports._http.server import StageServer

HOST = "127.0.0.1"
KEY_BYTES = 16
"""Of what a client must know: any program of this machine may connect to a port."""


def bound(port: int) -> socket.socket:
    """A socket bound to `port` (0: any) of the loopback interface beside others of this user."""
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise BrokerError(
            f"cannot bind TCP port {port or '(any)'} of {HOST}: {error.strerror}",
            remedy="see which program holds it, or end other runs",
        ) from error
    return bound


def ports_through(address: Address, detour: Detour) -> Address:
    """`address` with each of its ports by way of `detour`."""
    ports = (detour(Endpoint(HOST, int(port))) for port in str(address.where["ports"]).split(","))
    return replace(address, where={**address.where, "ports": ",".join(map(str, ports))})


class HttpReceiver(Receiver):
    """A stage worker's end: the server runs in a thread, so bodies are read while the worker computes."""

    def __init__(self, server: StageServer, take: Callable[[float], Delivery | None] | None = None) -> None:
        self._server = server
        self._take = take or server.intake.take

    def receive(self, timeout: float) -> Delivery | None:
        """See Receiver.receive."""
        return self._take(timeout)

    def path(self) -> Mapping[str, str]:
        """Of the server that runs: its listening sockets, its event loop, its parser."""
        return self._server.path()

    def close(self) -> None:
        """Stop the server; requests that were not answered lose their connection."""
        self._server.close()


class Http(SocketOptions, Transport):
    """HTTP/1.1 POST to uvicorn in the stage worker, raw bodies read in place, keep-alive"""

    kind: ClassVar[str] = "http"
    requires: ClassVar[tuple[str, ...]] = ("uvicorn", "httptools", "uvloop")
    install: ClassVar[str] = "pip install uvicorn httptools uvloop"

    queue: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="messages that wait in one worker's server before it answers 503 "
        "(default: depth for each producer, never)",
    )
    keep_alive: bool = Field(True, description="use a connection again; false opens one for each request")
    pool: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="idle connections that are kept to a worker; what is in flight beyond it opens further ones, "
        "which are closed again (default: all)",
    )
    retry_after: int = Field(
        1, ge=0, le=3600, description="seconds after which a 503 asks to try again (Retry-After, whole ones)"
    )

    def capabilities(self) -> Capabilities:
        """Connections are read as they come; one alone (depth 1) keeps the order, which is not promised."""
        return Capabilities(
            delivery="at-most-once",
            durability="process",
            ordering="none",
            same_host=True,
            many_producers=True,
            reroutable=True,
            refuses=True,
        )

    def floor(self) -> str:
        """One send over loopback TCP."""
        return "tcp-socket"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Reserve a port per worker; raises BrokerError when none is to be had."""
        with ExitStack() as held:
            ports = [held.enter_context(bound(0)).getsockname()[1] for _ in range(setup.workers)]
            used = " ".join(f"{name} {version(name)}" for name in self.requires)
            yield Address(
                {
                    "ports": ",".join(map(str, ports)),
                    "path": f"/{secrets.token_urlsafe(KEY_BYTES)}",
                    "message_bytes": setup.message_bytes,
                    "reply_bytes": setup.reply_bytes,
                    "producers": setup.producers,
                },
                path=f"HTTP/1.1 over TCP {HOST}, {used}, bodies in place; client sockets + httptools",
                claim={
                    "family": "tcp",
                    "server": f"uvicorn {version('uvicorn')}",
                    "mechanism": "uvloop, httptools",
                },
            )

    def through(self, address: Address, detour: Detour) -> Address:
        """Every worker's port."""
        return ports_through(address, detour)

    def sender(self, address: Address) -> HttpSender:
        """One connection per worker to begin with; raises BrokerError when a worker is not there."""
        from benchkit.transports._http.client import HttpSender
        from benchkit.transports._http.connection import Manner

        where = address.where
        endpoints = [(HOST, int(port)) for port in str(where["ports"]).split(",")]
        return HttpSender(
            endpoints, str(where["path"]), self.depth, int(where["message_bytes"]), int(where["reply_bytes"]),
            Manner(self.sockets, self.keep_alive, self.pool),
        )  # fmt: skip

    def receiver(self, address: Address, worker: int) -> HttpReceiver:
        """Listening when it returns; raises BrokerError when it cannot."""
        from benchkit.transports._http.server import App, StageServer

        where = address.where
        listener = bound(int(str(where["ports"]).split(",")[worker]))
        path = str(where["path"])
        # Each producer may have `depth` in flight, and all of them to one worker.
        queue = self.queue or self.depth * int(where["producers"])
        server = StageServer(
            listener, lambda intake: App(path, intake, self.retry_after), int(where["message_bytes"]), queue
        )
        return HttpReceiver(server)
