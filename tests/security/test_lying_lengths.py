"""A length that nothing follows takes no memory, and one error says so; checked where memory is counted.

Each reader gets the announcement of a gigabyte or more, and then nothing. `tracemalloc` sees what Python and numpy
take; anonymous mappings are counted by the process's address space, which the kernel is asked for.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.engine.channel import Channel
from benchkit.errors import BenchkitError, BrokerError, MessageError
from benchkit.records import reading
from benchkit.records.samples import SAMPLE
from benchkit.tensors.codecs.base import registry as codecs
from benchkit.tensors.codecs.description import described
from benchkit.transports._http.connection import Head
from benchkit.transports._http.intake import Incoming, Intake
from benchkit.transports._http.server import body_bytes
from benchkit.transports._kserve.landing import Landing
from benchkit.transports._nats.wire import Wire
from benchkit.transports._rabbitmq.frames import Frames
from benchkit.transports._rabbitmq.methods import BODY, CHANNEL, FRAME, HEADER, frame
from benchkit.transports._redis.resp import Resp
from benchkit.transports._unix.link import HEAD, MESSAGE, Link
from benchkit.transports.buffers import Pool
from benchkit.transports.links import link

ALLOWED_BYTES = 8 << 20
GIB = 1 << 30


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * 4096


@contextmanager
def little_memory() -> Iterator[None]:
    """Fails where more than ALLOWED_BYTES were taken at any time, or mapped at the end."""
    before = _address_space_bytes() if Path("/proc/self/statm").exists() else None
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < ALLOWED_BYTES
        if before is not None:
            # Threads that start meanwhile map stacks; a gigabyte is none.
            assert _address_space_bytes() - before < GIB // 2
    finally:
        tracemalloc.stop()


@contextmanager
def said(content: bytes) -> Iterator[socket.socket]:
    """A connection on which the other side says this and closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=lambda: _say(theirs, content))
        writer.start()
        try:
            yield ours
        finally:
            ours.close()
            writer.join()


def _say(sock: socket.socket, content: bytes) -> None:
    with suppress(OSError):
        sock.sendall(content)
        sock.shutdown(socket.SHUT_WR)


# Sockets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [GIB, 8 * GIB, (8 << 30) + 1, (1 << 64) - 1])
def test_the_control_channel(length: int) -> None:
    with little_memory(), said(length.to_bytes(8, "little") + b"\x81") as sock, pytest.raises(EOFError):
        Channel(sock).recv()


@pytest.mark.parametrize(
    "packed",
    [b"\xc1", b"\xc6" + (GIB).to_bytes(4, "big"), b"\xdd" + (GIB).to_bytes(4, "big"), b"\x91" * 5000 + b"\0",
     msgpack.packb([1]), msgpack.packb(msgpack.ExtType(1, b"x")), b"\x81" * 2000],
    ids=["unknown", "binary", "list", "deep", "no mapping", "extension", "deep mapping"],
)  # fmt: skip
def test_what_no_party_says_is_the_end_of_its_channel(packed: bytes) -> None:
    with little_memory(), said(len(packed).to_bytes(8, "little") + packed) as sock, pytest.raises(EOFError):
        Channel(sock).recv()


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=40), max_size=3), st.integers(1, 40))
def test_a_long_message_comes_whole_however_memory_grows(message: dict[str, bytes], step: int) -> None:
    from benchkit.engine import channel

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(channel, "_STEP_BYTES", step)
        packed = msgpack.packb(message)
        with said(len(packed).to_bytes(8, "little") + packed) as sock:
            assert Channel(sock).recv() == message


def test_a_frame_of_the_unix_transport() -> None:
    for length in (GIB, (1 << 63) - 1, (1 << 64) - 1):
        with little_memory(), said(HEAD.pack(MESSAGE, length)) as sock:
            made = Link(sock, Pool(4096), 4096)
            with pytest.raises(OSError, match="announced"):
                made.frame()


RESP = {
    "a value": b"$400000000\r\n", "a value that no server has": b"$99999999999\r\n", "an error": b"!99999999\r\n",
    "a list": b"*1000000000\r\n", "a map": b"%999999999\r\n", "a push": b">999999999\r\n:1\r\n",
    "an attribute": b"|999999999\r\n:1\r\n", "a deep list": b"*1\r\n" * 100_000,
    "a number": b":" + b"9" * 10_000 + b"\r\n", "a length with signs": b"$+5\r\nhello\r\n",
    "underscores": b"$1_0\r\n", "no number": b":12x\r\n", "a long line": b"+" + b"x" * 99_999,
}  # fmt: skip


@pytest.mark.parametrize("kind", RESP)
@pytest.mark.parametrize("way", ["read", "header", "payload"])
def test_an_answer_in_the_redis_protocol(kind: str, way: str) -> None:
    with little_memory(), said(RESP[kind]) as sock:
        resp = Resp(link(sock), sock.close)
        with pytest.raises(BrokerError):
            for _ in range(100_002):  # headers alone are no answer yet, however many come
                resp.payload(Pool(4096)) if way == "payload" else getattr(resp, way)()


@pytest.mark.parametrize(
    "line",
    [b"MSG a 1 999999999999", b"MSG a 1 1073741824", b"MSG a 1 -5", b"HMSG a 1 r 99 5", b"HMSG a 1 r -1 5",
     b"MSG a 1 60000000", b"x" * 99_999],
)  # fmt: skip
def test_a_message_in_the_nats_protocol(line: bytes) -> None:
    with little_memory(), said(line + b"\r\nshort") as sock:
        wire = Wire(link(sock), sock.close, sock, "here", {})
        with pytest.raises(BrokerError):
            message = wire.message()
            assert message is not None
            wire.landed(message, Pool(4096))


@pytest.mark.parametrize("info", ['{"max_payload": "x"}', '{"max_payload": {}}', "{}"])
def test_what_a_nats_server_says_of_itself_need_not_make_sense(info: str) -> None:
    with said(b"") as sock:
        assert Wire(link(sock), sock.close, sock, "here", json.loads(info)).max_payload == 1 << 20


def _amqp(nbytes: int, piece: int) -> bytes:
    header = frame(HEADER, struct.pack(">HHQH", 60, 0, nbytes, 0))
    return header + FRAME.pack(BODY, CHANNEL, piece) + b"x"


@pytest.mark.parametrize(
    ("nbytes", "piece"),
    [(GIB, 10), ((1 << 64) - 1, 10), (400 << 20, 100_000), (400 << 20, 400 << 20), (400 << 20, 0), (9, 10)],
)
def test_a_message_in_amqp(nbytes: int, piece: int) -> None:
    with little_memory(), said(_amqp(nbytes, piece)) as sock:
        frames = Frames(link(sock), 131_072, sock.close, sock, "here")
        with pytest.raises(BrokerError):
            frames.content(Pool(4096))


def test_a_frame_of_amqp() -> None:
    with little_memory(), said(FRAME.pack(1, CHANNEL, (1 << 32) - 1)) as sock, pytest.raises(BrokerError):
        Frames(link(sock), 131_072, sock.close, sock, "here").method()


# HTTP -------------------------------------------------------------------------------------------------------


def test_a_body_that_is_announced_and_never_comes() -> None:
    """The server refuses by the head alone; the pool of what may come is made before and bounded."""
    loop = asyncio.new_event_loop()
    try:
        intake = Intake(loop, 4096, 2)
        with little_memory():
            for length in (4097, GIB, 1 << 62):
                answer = loop.create_future()
                assert intake.admit(answer, body_bytes([(b"content-length", b"%d" % length)])) is None
                assert answer.result()[0] == 413
            admitted = intake.admit(loop.create_future(), body_bytes([(b"transfer-encoding", b"chunked")]))
            assert isinstance(admitted, Incoming)
            assert admitted.put(bytes(4096))
            assert not admitted.put(b"x")
    finally:
        loop.close()


@pytest.mark.parametrize("length", [1 << 20, 64 << 20])
def test_json_that_is_announced_and_never_comes(length: int) -> None:
    landing = Landing(length, None, lambda _: None)
    with little_memory():
        room = landing.room(0)
        assert 0 < len(room) < 1 << 20
    landing.end(0)
    assert landing.error is not None


@given(st.binary(min_size=1, max_size=300_000), st.lists(st.integers(1, 1 << 17), min_size=1, max_size=6))
def test_json_that_comes_is_whole_however_it_is_cut(content: bytes, cuts: list[int]) -> None:
    seen: list[bytes] = []
    landing = Landing(len(content), None, lambda text: seen.append(text) or None)
    filled = at = 0
    while filled < len(content):
        room = landing.room(filled)
        count = min(len(room), cuts[at % len(cuts)], len(content) - filled)
        room[:count] = content[filled : filled + count]
        filled += count
        at += 1
    landing.end(filled)
    assert (landing.error, seen) == (None, [content])


@pytest.mark.parametrize("value", ["-5", "+5", "1_0", "", " ", "9" * 50, "0x10", "1e3"])
def test_the_length_of_a_responses_json_is_a_number(value: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nInference-Header-Content-Length: {value}\r\n\r\n"
    with pytest.raises(BrokerError):
        Head(memoryview(head.encode()))


# Codecs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [[1 << 62, 4], [1 << 32, 1 << 32], [1 << 63], [3] * 50, [(1 << 63) - 1], [2**31] * 3]
)
def test_a_shape_is_multiplied_without_a_limit_of_bits(shape: list[int]) -> None:
    """numpy's product of 2^32 and 2^32 in 64 bits is 0: an array of nothing."""
    with pytest.raises(MessageError):
        array = described("a", "float32", shape)
        assert array.nbytes < GIB


@pytest.mark.parametrize("kind", sorted(codecs.entries()))
@pytest.mark.parametrize("shape", [[1 << 40], [1 << 20, 1 << 20], [GIB]])
def test_a_tensor_that_is_announced_and_never_comes(kind: str, shape: list[int]) -> None:
    codec = codecs.build({"kind": kind})
    bodies = []
    for dtype in ("uint8", "float64"):
        for entry in (["a", dtype, shape], ["a", dtype, GIB], ["a", dtype, shape, GIB]):
            packed = msgpack.packb([b"", entry])
            head = len(packed).to_bytes(4, "little") + packed
            bodies.append(head + bytes(-len(head) % 64))
        bodies.append(
            msgpack.packb(
                {"metadata": b"", "arrays": [{"name": "a", "dtype": dtype, "shape": shape, "data": b""}]}
            )
        )
        told = {"name": "a", "dtype": dtype, "shape": shape, "data": ""}
        bodies.append(json.dumps({"metadata": "", "arrays": [told]}).encode())
    bodies += [
        b"\xff\xff\xff\x7f",
        b"\xdd\x7f\xff\xff\xff",
        b"\xc6\x7f\xff\xff\xff",
        b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8,
    ]
    with little_memory():
        for body in bodies:
            with pytest.raises(MessageError):
                codec.decode(memoryview(body))


# Files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1 << 40, -1, 1 << 62])
def test_samples_that_a_record_promises_and_a_file_does_not_hold(rows: int, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    head = io.BytesIO()
    shape = (max(0, rows),)
    described_as = {"descr": np.lib.format.dtype_to_descr(SAMPLE), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described_as)
    (tmp_path / "samples" / "a.npy").write_bytes(head.getvalue())
    for growing in (False, True):
        with little_memory(), pytest.raises(BenchkitError):
            reading.samples(tmp_path, "a", rows, growing=growing)


def test_a_file_of_a_terabyte_of_nothing_is_not_read(tmp_path: Path) -> None:
    for name in ("run.json", "record.json"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
    with little_memory(), pytest.raises(BenchkitError, match="more than"):
        reading.read_text(tmp_path / "run.json", tmp_path)
    with (tmp_path / "blocks.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    tracemalloc.start()
    try:
        with pytest.raises(BenchkitError, match="a line of more than"):
            list(reading.blocks(tmp_path, 1 << 40))
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
