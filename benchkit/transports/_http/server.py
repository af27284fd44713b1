"""uvicorn in a thread of the stage worker, reading each body straight into the buffer it is delivered from.

Ordinarily a body passes through five copies (event loop, parser, uvicorn's buffer, the ASGI event, the join).
Here uvicorn's own httptools protocol stays in charge of connections, heads and responses; while the rest of a
body is awaited, the connection's protocol is exchanged for one that the event loop reads into in place.

The first event loop of a process opens a pipe that libuv keeps for signals until the process ends; it is one
per process, however many servers come and go.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchkit.errors import BrokerError
from benchkit.transports._http.intake import CONTENT_TOO_LARGE, SERVICE_UNAVAILABLE, Incoming, Intake, settle

if TYPE_CHECKING:
    import socket

    from benchkit.transports._http.intake import Answer

MAX_HEAD_BYTES = 64 << 10
_NOT_FOUND, _METHOD_NOT_ALLOWED = 404, 405
_ANSWER = "benchkit.answer"
_KEEP_ALIVE_S = 24 * 3600
_STOP_S = 5.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case."""


def body_bytes(headers: Headers) -> int | None:
    """What a request's head says of its length; None when only its end will tell."""
    length: int | None = 0
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            length = None
    return length


class App:
    """The ASGI application: one path, whose requests are answered when the worker has done so."""

    def __init__(self, path: str, intake: Intake, retry_after_s: int = 1) -> None:
        self.url = path.encode()
        self.intake = intake
        self._retry_after = b"%d" % retry_after_s

    def admit(
        self, method: bytes, url: bytes, headers: Headers, answer: asyncio.Future[Answer]
    ) -> Incoming | None:
        """Room for the message of a request, from its head alone; else its answer is set."""
        # In a time that does not tell how much of it was right.
        if not compare_digest(url, self.url):
            answer.set_result((_NOT_FOUND, b""))
        elif method != b"POST":
            answer.set_result((_METHOD_NOT_ALLOWED, b""))
        else:
            return self.intake.admit(answer, body_bytes(headers))
        return None

    def said(self, answer: Answer) -> Answer:
        """An answer as it is given."""
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI's)
        """Await the answer; the body is read by the protocol, `receive` is never asked for it."""
        status, body, *more = self.said(await scope["extensions"][_ANSWER])
        headers = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
        if more:
            headers += more[0]
        if status == SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", self._retry_after))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Gathered:
    """A transport whose first write waits for the second: head and body of a response in one segment."""

    __slots__ = ("_head", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.close = transport.close
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.writelines((self._head, data) if data else (self._head,))
            self._head = b""
        else:
            self._head = data


class InPlaceProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, less the copies of the body."""

    config: uvicorn.Config

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.incoming: Incoming | None = None
        self.head_bytes = 0
        self.rest = _Rest(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came with the head; leave the rest of a body of known length to `_Rest`."""
        self.head_bytes += len(data)
        super().data_received(data)
        if (incoming := self.incoming) is not None and incoming.length is not None:
            self.transport.set_protocol(self.rest)
        elif self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head is too long.")

    def on_headers_complete(self) -> None:
        """Decide before anything of the body is stored."""
        answer: asyncio.Future[Answer] = self.loop.create_future()
        self.scope["extensions"] = {_ANSWER: answer}  # type: ignore[dict-item]  # (ours is a future)
        self.head_bytes = 0
        app: App = self.config.app  # type: ignore[assignment]  # (the one that StageServer was given)
        self.incoming = app.admit(self.parser.get_method(), self.url, self.headers, answer)
        super().on_headers_complete()
        self.cycle.transport = _Gathered(self.transport)  # type: ignore[assignment]  # (what a response uses)
        if self.expect_100_continue and self.incoming is not None:
            self.cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Into place, or nowhere when the request was refused: the connection stays in step and usable."""
        self.head_bytes = 0
        incoming = self.incoming
        if incoming is not None and not incoming.put(body):
            self.incoming = None
            incoming.abandon()
            settle(incoming.answer, (CONTENT_TOO_LARGE, b""))

    def on_message_complete(self) -> None:
        """Hand the whole message over."""
        super().on_message_complete()
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            incoming.complete()

    def body_complete(self) -> None:
        """Take the connection back from `_Rest`; the parser that waits for the body is replaced."""
        self.transport.set_protocol(self)
        self.parser = httptools.HttpRequestParser(self)
        self.on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """A message that was not complete never was."""
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            incoming.abandon()
            settle(incoming.answer, (CONTENT_TOO_LARGE, b""))
        super().connection_lost(exc)


class _Rest(asyncio.BufferedProtocol):
    """Reads the rest of a body in place; everything else it leaves to the connection's HTTP protocol."""

    __slots__ = ("_http",)

    def __init__(self, http: InPlaceProtocol) -> None:
        self._http = http

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  (asyncio's)
        incoming = self._http.incoming
        assert incoming is not None  # noqa: S101  (set as long as this protocol is)
        return incoming.room()

    def buffer_updated(self, nbytes: int) -> None:
        incoming = self._http.incoming
        assert incoming is not None  # noqa: S101  (set as long as this protocol is)
        incoming.filled += nbytes
        if incoming.filled == incoming.length:
            self._http.body_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()


class _Server(uvicorn.Server):
    """uvicorn without its ten looks a second at whether it should end, and ended at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        self.ready.set()
        await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)


class StageServer:
    """One worker's server: listening when the constructor returns, gone when `close` does."""

    def __init__(
        self, listener: socket.socket, app: Callable[[Intake], App], message_bytes: int, queue: int
    ) -> None:
        self._loop = uvloop.new_event_loop()
        self.intake = Intake(self._loop, message_bytes, queue)
        config = uvicorn.Config(
            app(self.intake), http=InPlaceProtocol, ws="none", lifespan="off", interface="asgi3",
            log_config=None, log_level="critical", access_log=False, proxy_headers=False,
            server_header=False, date_header=False, timeout_keep_alive=_KEEP_ALIVE_S,
        )  # fmt: skip
        self._server = _Server(config)
        self._failure: BaseException | None = None
        # A daemon: a worker that ends without closing must not wait for its server.
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="http-server", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        if self._failure is not None:
            self.close()
            raise BrokerError(f"the HTTP server did not start: {self._failure}") from self._failure

    def _serve(self, listener: socket.socket) -> None:
        with listener:
            try:
                self._loop.run_until_complete(self._server.serve(sockets=[listener]))
            except BaseException as error:  # noqa: BLE001  (uvicorn ends with SystemExit too; told to the opener)
                self._failure = error
            finally:
                self._server.ready.set()
                self._loop.close()

    def path(self) -> dict[str, str]:
        """See Receiver.path."""
        listening = [sock for server in self._server.servers for sock in server.sockets]
        names = {type(sock.getsockname()) for sock in listening}
        parser = self._server.config.http_protocol_class.mro()
        return {
            # An event loop hands out no real sockets: the kernel's name tells, a pair being TCP's.
            "family": "tcp" if names == {tuple} else "unix",
            "server": f"uvicorn {uvicorn.__version__}",
            "mechanism": f"{type(self._loop).__module__}, "
            + ("httptools" if HttpToolsProtocol in parser else parser[0].__name__),
        }

    def close(self) -> None:
        """Stop listening, drop the connections and end the thread."""
        with suppress(RuntimeError):  # the loop is closed already when the server failed
            self._loop.call_soon_threadsafe(self._server.stop.set)
        self._thread.join(_STOP_S)
