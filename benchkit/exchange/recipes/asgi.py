"""A plain ASGI application under uvicorn: reads the body, answers one byte."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import xxhash

from benchkit.errors import BrokerError
from benchkit.exchange.base import ACK, PATIENCE_S, Far, Served, Spot, gone
from benchkit.exchange.sockets import listening_tcp
from benchkit.tensors.wire import Buffer

Event = MutableMapping[str, Any]


class AsgiFar(Far):
    """uvicorn with the parser and event loop that it chooses itself, without a log, in a thread of its own.

    The application stamps each message when its body is whole.
    """

    def __init__(self, spot: Spot) -> None:
        import uvicorn

        self._received: array[int] = array("q")
        self._body = b""
        self._taken = self._wanted = 0
        self._enough = threading.Event()
        self._listener = listening_tcp(spot)
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        self._thread.start()
        until_s = time.monotonic() + PATIENCE_S
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive() or time.monotonic() > until_s:
                raise BrokerError("uvicorn did not start")

    async def _app(
        self,
        scope: Event,
        receive: Callable[[], Awaitable[Event]],
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        """As the documentation of uvicorn reads a body."""
        assert scope["type"] == "http"  # noqa: S101  (lifespan is off, nobody asks for a web socket)
        more_body = True
        pieces = []
        while more_body:
            message = await receive()
            pieces.append(message.get("body", b""))
            more_body = message.get("more_body", False)
        body = b"".join(pieces)
        self._received.append(time.monotonic_ns())
        self._body = body
        headers = [(b"content-length", b"%d" % len(ACK))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ACK})
        if len(self._received) == self._wanted:
            self._enough.set()

    def serve(self, count: int) -> Served:
        """Wait until the application has answered `count` more requests."""
        self._enough.clear()
        begin, self._wanted = self._taken, self._taken + count
        seen = -1
        while len(self._received) < self._wanted and not self._enough.wait(PATIENCE_S):
            if len(self._received) == seen:
                raise gone("no request came")
            seen = len(self._received)
        self._taken = self._wanted
        return Served(self._received[begin : self._wanted], xxhash.xxh3_64_intdigest(self._body))

    def take(self) -> Buffer:
        """The server's thread takes."""
        raise NotImplementedError

    def give(self) -> None:
        """The server's thread answers."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop the server."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        self._listener.close()
