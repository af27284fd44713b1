"""What a stage's HTTP servers are asked: uvicorn's protocol with bodies read in place, and the inference protocol.

A connection without a socket: its protocol is fed an input in pieces, the worker takes and answers what came, and the
connection is lost. Nothing may be raised at all; a failure that uvicorn would log and answer with 500 is a finding.
"""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio import events
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import uvicorn
from fuzz_target import Target
from fuzz_targets.fed import pieces
from fuzz_targets.http_answers import JSON_WORDS
from fuzz_targets.shapes import packed, text, unpacked
from uvicorn.server import ServerState

from benchkit.errors import MessageError
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import FAILED, REPLY, Envelope, pack, unpack
from benchkit.transports._http.intake import Intake
from benchkit.transports._http.server import App, InPlaceProtocol
from benchkit.transports._kserve.app import KserveApp
from benchkit.transports._kserve.envelope import signed
from benchkit.transports._kserve.intake import OwnFirst, Terms
from benchkit.transports._kserve.tensors import split
from benchkit.transports.base import ArraySpec

MESSAGE_BYTES = 2048
QUEUE = 2


class Line:
    """A connection's transport as asyncio has it; what is written is thrown away."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        pass

    def writelines(self, parts: object) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Failures(logging.Handler):
    """What uvicorn says of an application that raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.exc_info[1] if record.exc_info else RuntimeError(record.getMessage())


class Served:
    """A worker's server; made with the first input."""

    def __init__(self, app: Callable[[Intake], App], work: Callable[[Any, Intake], None]) -> None:
        self._app, self._work = app, work
        self._config: uvicorn.Config | None = None

    def _start(self) -> None:
        self._loop: Any = asyncio.SelectorEventLoop()
        self._failures = Failures()
        log = logging.getLogger("uvicorn.error")
        log.setLevel(logging.ERROR)
        log.propagate = False
        log.addHandler(self._failures)
        self._loop.set_exception_handler(self._failed)
        self._intake = Intake(self._loop, MESSAGE_BYTES, QUEUE)
        self._config = uvicorn.Config(
            self._app(self._intake), http=InPlaceProtocol, ws="none", lifespan="off", interface="asgi3",
            log_config=None, log_level="error", access_log=False, proxy_headers=False, server_header=False,
            date_header=False,
        )  # fmt: skip
        self._config.load()

    def _failed(self, loop: object, context: dict[str, Any]) -> None:
        self._failures.last = context.get("exception") or RuntimeError(context["message"])

    def _turn(self) -> None:
        """What `run_forever` does once; it would make a pair of sockets each time."""
        self._loop.call_soon(bool)
        events._set_running_loop(self._loop)
        self._loop._run_once()
        events._set_running_loop(None)

    def run(self, data: bytes) -> bool:
        """Feed one connection."""
        if self._config is None:
            self._start()
        most, data = pieces(data)
        state = ServerState()
        assert self._config is not None
        protocol = InPlaceProtocol(config=self._config, server_state=state, app_state={}, _loop=self._loop)
        line = Line()
        line.protocol = protocol
        protocol.connection_made(line)
        at = 0
        while at < len(data) and not line.closed:
            piece = data[at : at + most]
            now = line.protocol
            if now is protocol:
                protocol.data_received(piece)
                at += len(piece)
            else:
                room = now.get_buffer(-1)
                assert len(room), "no room for what comes"
                count = min(len(room), len(piece))
                room[:count] = piece[:count]
                now.buffer_updated(count)
                at += count
            if state.tasks:
                self._turn()
                self._work(self._intake, self._turn)
        line.protocol.connection_lost(None)
        if state.tasks or self._intake.taken != self._intake.admitted - self._intake.abandoned:
            self._turn()
            self._work(self._intake, self._turn)
            self._turn()
        if self._failures.last is not None:
            error, self._failures.last = self._failures.last, None
            raise error
        intake = self._intake
        assert intake.admitted - intake.abandoned == intake.taken, "a place in the queue is lost"
        assert not state.tasks, "a request is never answered"
        return True


def _echo(intake: Intake, turn: Callable[[], None]) -> None:
    while (found := intake.take(0)) is not None:
        if found.view[:1] == b"a":
            found.ack()
        else:
            found.reply((b"<", found.view[:9], b">"))
        found.release()
        turn()


SPECS = (ArraySpec("x", "float32", (2, 3)), ArraySpec("n", "uint8", (4,)))
OUTPUTS = {"y": np.arange(6, dtype=np.float32).reshape(2, 3), "flag": np.array([True, False]), "b": np.zeros((0, 2))}


def _infer(intake: Intake, turn: Callable[[], None]) -> None:
    """As the engine's worker: what is malformed is counted there, and answered as failed."""
    first = OwnFirst(intake)
    while (found := first.take(0)) is not None:
        envelope = None
        with suppress(MessageError):
            envelope, body = unpack(found.view)
            Raw().decode(body)
        if envelope is None:
            found.reply([pack(Envelope(0, 3, REPLY | FAILED)), b"bad"])
        elif envelope.seq % 4 == 3:
            found.ack()
        else:
            parts = Raw().encode(OUTPUTS, b"meta" if envelope.seq else b"")
            nbytes = sum(map(len, parts))
            found.reply([pack(Envelope(envelope.seq, nbytes, REPLY)), *parts])
        found.release()
        turn()


def _plain_seeds() -> list[bytes]:
    requests = [
        b"POST /m HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for body in (b"", b"abc", b"x" * 500, b"y" * 2049)
    ]
    requests += [
        b"POST /m HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /m HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /m HTTP/1.1\r\n\r\n", b"POST /other HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        b"GET /m HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /m HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
    ]  # fmt: skip
    requests += [requests[1] * 3, requests[0] + requests[4] + requests[6]]
    return [bytes((piece,)) + request for request in requests for piece in (0, 1, 2)]


def _kserve(data: bytes) -> bytes:
    """An input as a request: as it is, or with lengths that are right, its JSON as it is or from msgpack."""
    mode, rest = data[1] % 4, data[2:]
    if mode == 0 or len(rest) < 2:
        return data[:1] + rest
    size = int.from_bytes(rest[:2], "little") % (len(rest) - 1)
    head, tensors = rest[2 : 2 + size], rest[2 + size :]
    if mode > 1:
        value = unpacked(head)
        head = text(value)
        if mode == 3 and isinstance(value, dict):
            inner = text(value.pop("parameters", {}))[1:]
            own = b'{"id":"%020d","parameters":{"benchkit":"' % 3 + pack(Envelope(3, len(tensors))).hex().encode()
            head = own + b'"' + (b"," if len(inner) > 1 else b"") + inner + b"," + text(value)[1:]
    start = b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: %d\r\n" % (len(head) + len(tensors))
    if tensors or data[1] & 4:
        start += b"Inference-Header-Content-Length: %d\r\n" % len(head)
    return data[:1] + start + b"\r\n" + head + tensors


def _kserve_seeds() -> list[bytes]:
    x, n = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4, dtype=np.uint8)
    body = Raw().encode({"x": x, "n": n}, b"meta")
    split_, given = split(body)
    own = signed(pack(Envelope(3, sum(map(len, body)))), split_, "inputs")
    tensors = b"".join(given)
    binary = json.loads(own)["inputs"]
    listed = [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": x.tolist()},
              {"name": "n", "datatype": "UINT8", "shape": [4], "data": n.tolist()}]  # fmt: skip
    asked = [{"name": "y", "parameters": {"binary_data": True}}, {"name": "flag"}]
    opaque = {"inputs": [{"name": "body", "datatype": "UINT8", "shape": [3], "parameters": {"binary_data_size": 3}}],
              "parameters": {"benchkit_opaque": True}}  # fmt: skip
    found = [bytes((0, 1)) + len(own).to_bytes(2, "little") + own + tensors]
    for document, content, mode in (
        ({"inputs": binary, "parameters": {"benchkit_metadata": b"meta"}}, tensors, 3), (opaque, b"123", 3),
        ({"inputs": binary, "id": "7", "outputs": asked}, tensors, 2), ({"inputs": listed}, b"", 2),
        ({"inputs": listed, "parameters": {"binary_data_output": True}}, b"", 2),
        ({"inputs": listed, "outputs": [{"name": "b"}, {"name": "none"}]}, b"", 2), ({"inputs": []}, b"", 2),
    ):  # fmt: skip
        value, plain = packed(document), text(unpacked(packed(document)))
        found.append(bytes((0, mode)) + len(value).to_bytes(2, "little") + value + content)
        found.append(bytes((1, 1)) + len(plain).to_bytes(2, "little") + plain + content)
    found += [bytes((piece, 0)) + _kserve(found[-1])[1:] for piece in (0, 1, 2)]
    pages = ("/v2", "/v2/health/live", "/v2/models/m", "/v2/models/m/ready", "/v2/models/none")
    return found + [b"\0\0GET %s HTTP/1.1\r\n\r\n" % page.encode() for page in pages]


_WORDS = (b"POST /m HTTP/1.1\r\n", b"GET ", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"0\r\n\r\n",
          b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"HTTP/1.0")  # fmt: skip
_KSERVE_WORDS = (b"POST /v2/models/m/infer HTTP/1.1\r\n", *_WORDS[2:6], b"Inference-Header-Content-Length: ",
                 b"Content-Encoding: gzip\r\n", *JSON_WORDS)  # fmt: skip


def _at_model(data: bytes) -> bool:
    return _KSERVE.run(_kserve(data)) if len(data) > 3 else False


_PLAIN = Served(lambda intake: App("/m", intake), _echo)
_KSERVE = Served(lambda intake: KserveApp(Terms("m", SPECS, SPECS), intake), _infer)
TARGETS = (
    Target("http-request", _PLAIN.run, (), _plain_seeds, ("transports/_http/server.py", "transports/_http/intake.py"), 1024, _WORDS),
    Target("kserve-request", _at_model, (), _kserve_seeds,
           ("transports/_kserve", "transports/_http/server.py", "transports/_http/intake.py"), 1024, _KSERVE_WORDS),
)  # fmt: skip

