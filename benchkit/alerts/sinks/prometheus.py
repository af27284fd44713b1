"""An endpoint that Prometheus scrapes: every metric that is observed, and what fires."""

from __future__ import annotations

import hmac
import ipaddress
import math
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pydantic import Field, SecretStr, model_validator

from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import METRICS, Key, Labels, Observation, key_of
from benchkit.alerts.sinks.address import CONFIDED
from benchkit.alerts.sinks.base import Around, Sink, SinkOptions
from benchkit.errors import UsageError

FIRING: Final = "benchkit_alert_firing"
ANSWER_S: Final = 5.0
"""For one request, from connecting to the end of the answer."""
MOST_AT_ONCE: Final = 16
"""Requests; nobody who is waited for here has given a token yet."""
_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


class Prometheus(SinkOptions):
    """An endpoint for Prometheus on this machine; for others only with a token."""

    kind: ClassVar[str] = "prometheus"
    requires: ClassVar[tuple[str, ...]] = ("prometheus_client",)
    install: ClassVar[str] = "pip install 'benchkit[prometheus]'"

    port: int = Field(9464, ge=0, le=65535, description="0: any free one, which is then told")
    address: str = Field("127.0.0.1", description="of this machine; others than loopback need a token")
    token: Annotated[SecretStr, Field(min_length=16), CONFIDED] | None = Field(
        None,
        description="what a scraper must give as `Authorization: Bearer ...`; env:NAME: of the environment",
    )

    @model_validator(mode="after")
    def _closed_to_others(self) -> Self:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise ValueError("address: write one in numbers, for example 127.0.0.1") from None
        if not loopback and self.token is None:
            raise ValueError(f"{self.address} is open to others: give a `token`, or leave the address out")
        return self

    def open(self, around: Around) -> Sink:
        """Listening; raises UsageError where the port is taken."""
        return _Endpoint(self, around)


class _Handler(WSGIRequestHandler):
    timeout = ANSWER_S

    def setup(self) -> None:
        """One that says nothing, or a byte now and then, is hung up on when its time is over."""
        super().setup()
        self._over = threading.Timer(ANSWER_S, _hang_up, [self.connection])
        self._over.daemon = True
        self._over.start()

    def finish(self) -> None:
        """In time."""
        self._over.cancel()
        super().finish()

    def log_message(self, *_: Any) -> None:  # the base class prints each request
        pass


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own; where there are too many, it is hung up on."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """And makes room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: Any) -> None:  # a scraper that hung up is nobody's business
        pass

    def server_bind(self) -> None:
        # WSGIServer asks the name service who it is, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Six(_Server):
    address_family = socket.AF_INET6


class _Endpoint(Sink):
    def __init__(self, options: Prometheus, around: Around) -> None:
        from prometheus_client import CollectorRegistry, make_wsgi_app

        self._around = around
        self._values: dict[tuple[str, Key], float] = {}
        self._firing: tuple[Notice, ...] = ()
        self._changing = threading.Lock()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        app = make_wsgi_app(registry)
        if options.token is not None:
            app = _guarded(app, options.token.get_secret_value())
        made = _Six if ":" in options.address else _Server
        try:
            self._server = make_server(options.address, options.port, app, made, _Handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {options.address} port {options.port}: {error.strerror}",
                where="alerts: sink prometheus",
                remedy="choose another `port`, or 0 for any free one",
            ) from error
        self.port = self._server.server_port
        if options.port == 0:
            host = f"[{options.address}]" if ":" in options.address else options.address
            around.say(f"metrics on http://{host}:{self.port}/metrics", "")
        threading.Thread(target=self._server.serve_forever, name="alerts-prometheus", daemon=True).start()

    def take(self, notice: Notice) -> None:
        """What fires comes with `show`; from then on whoever scrapes has it."""
        self._around.said(notice, Delivered("prometheus", self._around.clock()))

    def show(self, observations: Iterable[Observation], firing: Sequence[Notice]) -> None:
        """Keep the last value of each series."""
        with self._changing:
            for seen in observations:
                key = seen.metric, key_of(seen.labels)
                if math.isnan(seen.value):
                    self._values.pop(key, None)
                else:
                    self._values[key] = seen.value
            self._firing = tuple(firing)

    def collect(self) -> Iterator[Any]:
        """What the library asks a collector: families of samples."""
        from prometheus_client.core import Metric

        with self._changing:
            values, firing = dict(self._values), self._firing
        for name, about in METRICS.items():
            family = Metric(
                name.removesuffix("_total") if about.kind == "counter" else name, about.says, about.kind
            )
            for (metric, key), value in values.items():
                if metric == name:
                    family.add_sample(name, _labels(dict(key)), value)
            if family.samples:
                yield family
        family = Metric(FIRING, "1 for each rule and group of labels that fires", "gauge")
        for notice in firing:
            told = {**_labels(notice.labels), "rule": notice.rule, "severity": notice.severity}
            family.add_sample(FIRING, told, 1.0)
        yield family

    def close(self, timeout_s: float) -> None:  # noqa: ARG002  (the seam's signature)
        """Stop listening; nothing is under way that anybody waits for."""
        self._server.shutdown()
        self._server.server_close()


def _labels(labels: Labels) -> dict[str, str]:
    """Names as Prometheus allows them."""
    return {_NAME.sub("_", name): value for name, value in labels.items()}


def _guarded(app: Callable[..., Any], token: str) -> Callable[..., Any]:
    """Nothing for whoever does not know the token."""
    wanted = f"Bearer {token}".encode()

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        if hmac.compare_digest(given, wanted):
            return app(environ, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
        return [b""]

    return guarded
