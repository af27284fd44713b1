"""What a stage's HTTP server answers, as the transport `http`'s client reads it; and as kserve-http's does."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import numpy as np
from fuzz_target import Target
from fuzz_targets.fed import FedSocket
from fuzz_targets.shapes import packed, text, unpacked

from benchkit.errors import BrokerError, MessageError
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import REPLY, Envelope, pack, unpack
from benchkit.transports._http.connection import Connection, Dropped
from benchkit.transports._kserve.connection import KserveConnection
from benchkit.transports._kserve.envelope import signed
from benchkit.transports._kserve.talk import OwnTalk, ServerTalk, Talk
from benchkit.transports._kserve.tensors import split

REPLY_BYTES = 4096
SENT = pack(Envelope(3, 0, 0, item=1))
HEADS = (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\n",
         b"HTTP/1.1 302 Found\r\n", b"HTTP/1.0 400 Bad\r\nConnection: close\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")  # fmt: skip
WORDS = (b"Content-Length: ", b"Inference-Header-Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n",
         b"HTTP/1.1 200 ", b"Connection: close\r\n", b"Retry-After: 99999999999\r\n", b"Upgrade: x\r\n", *HEADS)  # fmt: skip


def _connected(make: Callable[[], Any]) -> Any:
    with mock.patch("socket.create_connection", lambda *_, **__: FedSocket(b"")):
        return make()


def _read(connection: Any, data: bytes) -> list[tuple[int, memoryview]]:
    """All answers of a connection whose socket gives these bytes."""
    connection.sock = FedSocket(data)
    connection._head = None
    connection._got = connection._filled = 0
    connection.message_start = SENT
    found, quiet = [], 0
    while quiet < 3:
        answer = connection.read()
        quiet = quiet + 1 if answer is None and connection.sock.at == connection.sock.before else 0
        connection.sock.before = connection.sock.at
        if answer is not None:
            found.append(answer)
    return found


class _Plain:
    def __init__(self) -> None:
        self.connection: Any = None

    def run(self, data: bytes) -> None:
        if self.connection is None:
            self.connection = _connected(lambda: Connection(("127.0.0.1", 1), 0, "/", REPLY_BYTES))
        for _, body in _read(self.connection, data):
            assert len(body) <= REPLY_BYTES


def plain_seeds() -> list[bytes]:
    return [
        piece + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for head in HEADS for body in (b"", b"x" * 64) for piece in (b"\0", b"\1")
    ]  # fmt: skip


class _Kserve:
    """An input: which talk and how it is put together, then a head's extra text, then the body."""

    def __init__(self) -> None:
        self.connections: list[Any] = []

    def run(self, data: bytes) -> None:
        if not self.connections:
            for talk in (OwnTalk("/i"), ServerTalk("/i", {}, {}, False, True), ServerTalk("/i", {}, {}, True, False)):
                self.connections.append(_connected(lambda talk=talk: _made(talk)))
        if len(data) < 4:
            return
        connection = self.connections[data[0] % 3]
        connection._answer = connection._landing = None
        for status, body in _read(connection, data[2:3] + _response(data)):
            if status == 200:
                with suppress(MessageError):  # the producer's engine counts it as torn
                    unpack(body)


def _made(talk: Talk) -> KserveConnection:
    return KserveConnection(("127.0.0.1", 1), 0, talk, REPLY_BYTES, 1 << 16)


def _response(data: bytes) -> bytes:
    """A whole response: as it is, or with lengths that are right, its JSON as it is or from msgpack."""
    mode, rest = data[1] % 3, data[3:]
    if mode == 0 or len(rest) < 2:
        return rest
    size = int.from_bytes(rest[:2], "little") % (len(rest) - 1)
    head, tensors = rest[2 : 2 + size], rest[2 + size :]
    if mode == 2:
        value = unpacked(head)
        head = text(value)
        if data[0] % 3 == 0 and isinstance(value, dict):  # benchkit's own: the envelope at its fixed place
            inner = text(value.pop("parameters", {}))[1:]
            own = b'{"id":"%020d","parameters":{"benchkit":"' % 3 + SENT.hex().encode()
            head = own + b'"' + (b"," if len(inner) > 1 else b"") + inner + b"," + text(value)[1:]
    start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % (len(head) + len(tensors))
    if tensors:
        start += b"Inference-Header-Content-Length: %d\r\n" % len(head)
    return start + b"\r\n" + head + tensors


def kserve_seeds() -> list[bytes]:
    arrays = {"y": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "n": np.zeros((1, 0), np.int8)}
    body = Raw().encode(arrays, b"meta")
    found, given = split(body)
    tensors = b"".join(given)
    envelope = pack(Envelope(3, sum(map(len, body)), REPLY, item=1))
    own = signed(envelope, found, "outputs", "{}")
    binary = json.loads(own)["outputs"]
    listed = [{"name": "y", "datatype": "FP32", "shape": [1, 2, 3], "data": [0, 1.5, 2, [3][0], 4, 5]},
              {"name": "b", "datatype": "BOOL", "shape": [1, 2], "data": [[True, False]]},
              {"name": "i", "datatype": "INT64", "shape": [1], "data": [-9]}]  # fmt: skip
    server = {"id": "benchkit-%020d" % 3, "model_name": "m", "outputs": binary}
    found_seeds = [bytes((0, 1, 0)) + len(own).to_bytes(2, "little") + own + tensors]
    for document, content in (
        ({"outputs": binary, "parameters": {"benchkit_metadata": b"meta"}}, tensors),
        ({"outputs": [{"name": "body", "datatype": "UINT8", "shape": [9], "parameters": {"binary_data_size": 9}}],
          "parameters": {"benchkit_opaque": True}}, b"123456789"),
        (server, tensors), ({**server, "outputs": listed}, b""), ({"error": "no"}, b""), ({"outputs": []}, b""),
    ):  # fmt: skip
        value, plain = packed(document), text(unpacked(packed(document)))
        for talk in range(3):
            found_seeds.append(bytes((talk, 2, 0)) + len(value).to_bytes(2, "little") + value + content)
            found_seeds.append(bytes((talk, 1, 0)) + len(plain).to_bytes(2, "little") + plain + content)
            found_seeds.append(bytes((talk, 0, 1)) + _response(found_seeds[-1]))
    error = b'{"error":"it failed"}'
    for status in (b"401 No", b"429 Slow", b"500 Bad", b"413 Long"):
        whole = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(error), error)
        found_seeds.append(bytes((1, 0, 0)) + whole)
    found_seeds.append(bytes((0, 0, 0)) + b"HTTP/1.1 204 OK\r\n\r\n")
    return found_seeds


JSON_WORDS = (b"outputs", b"inputs", b"name", b"datatype", b"shape", b"data", b"parameters", b"binary_data_size", b"FP32",
              b"UINT8", b"BOOL", b"BF16", b"INT64", b"benchkit_metadata", b"benchkit_opaque", b"binary_data", b"id",
              b"binary_data_output", b"shared_memory_region", b"1e999", b"\\ud800")  # fmt: skip
TARGETS = (
    Target("http-answer", _Plain().run, (BrokerError, Dropped), plain_seeds, ("transports/_http/connection.py",), 512, WORDS),
    Target("kserve-answer", _Kserve().run, (BrokerError, Dropped), kserve_seeds,
           ("transports/_kserve", "transports/_http/connection.py"), 768, (*WORDS[:2], *JSON_WORDS)),
)  # fmt: skip
