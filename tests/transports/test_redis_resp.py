"""The client path without a server: answers cut anywhere, partial sends, buffers."""

from __future__ import annotations

import socket
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import BrokerError
from benchkit.transports._redis.resp import Refused, Resp, command
from benchkit.transports.buffers import Pool
from benchkit.transports.links import SocketLink


class Script:
    """A link that delivers given pieces, one for each read."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]

    def write(self, buffers, total_bytes):
        raise AssertionError("nothing is sent")

    def arrive(self, memory, timeout_s):
        return self.read(memory) if self.pieces else 0

    def read(self, memory):
        if not self.pieces:
            raise BrokerError("the end")
        piece = self.pieces.pop(0)
        count = min(len(piece), len(memory))
        memory[:count] = piece[:count]
        if count < len(piece):
            self.pieces.insert(0, piece[count:])
        return count

    def fill(self, memory):
        while memory:
            memory = memory[self.read(memory) :]


def encode(value, version):
    """The bytes of a value as a server writes it."""
    match value:
        case bool() if version == 3:
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b":%d\r\n" % value
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(value), value)
        case None:
            return b"_\r\n" if version == 3 else b"$-1\r\n"
        case list():
            return b"*%d\r\n" % len(value) + b"".join(encode(item, version) for item in value)
    raise AssertionError(value)


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300)),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def resp(pieces):
    return Resp(Script(pieces), lambda: None)


@given(
    st.lists(VALUES, min_size=1, max_size=4),
    st.sampled_from([2, 3]),
    st.lists(st.integers(0, 4000), max_size=8),
)
def test_answers_are_read_whole_however_they_are_cut(values, version, cuts):
    push = b">2\r\n$4\r\nnews\r\n:1\r\n" if version == 3 else b""
    data = push.join(encode(value, version) for value in values)
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    reader = resp([data[a:b] for a, b in pairwise(at)])
    assert [reader.read() for _ in values] == values
    assert not reader.ready(0)


@given(st.binary(max_size=40_000), st.integers(1, 40_000))
def test_a_payload_lands_whole_however_it_is_cut(data, cut):
    stream = encode(data, 2) * 2
    reader, pool = resp([stream[:cut], stream[cut:]]), Pool(100)
    for _ in range(2):
        slot, nbytes = reader.payload(pool)
        assert bytes(slot[:nbytes]) == data
        pool.give(slot)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"=8\r\ntxt:text\r\n", b"txt:text"),
        (b"%1\r\n+a\r\n:1\r\n", [b"a", 1]),
        (b"~2\r\n:1\r\n:2\r\n", [1, 2]),
        (b",1.5\r\n", 1.5),
        (b"#t\r\n", True),
        (b"*-1\r\n", None),
        (b"(3492890328409238509324850943850943825024385\r\n", 3492890328409238509324850943850943825024385),
        (b"|1\r\n+ttl\r\n:9\r\n:5\r\n", 5),
    ],
)
def test_every_kind_of_answer(data, value):
    assert resp([data]).read() == value


@pytest.mark.parametrize("data", [b"-OOM no memory\r\n", b"!13\r\nOOM no memory\r\n"])
def test_an_error_is_a_value_first(data):
    answer = resp([data]).read()
    assert isinstance(answer, Refused)
    assert str(answer) == "OOM no memory"


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n", b"$five\r\n", b"\r\n", b"*x\r\n", bytes(1 << 15)])
def test_what_is_no_answer_is_a_broker_error(data):
    with pytest.raises(BrokerError, match="not an answer"):
        resp([data]).read()


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10))
def test_a_command_is_an_array_of_bulk_strings(words):
    assert resp([command(*words)]).read() == words


@pytest.mark.parametrize("sizes", [[5_000_000], [0, 3_000_000, 1, 0, 2_000_000], [1] * 5000])
def test_a_gathered_write_is_complete_through_a_narrow_socket(sizes):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = SocketLink(ours)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        parts = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
        total = sum(sizes)
        received = bytearray(total)
        reader = threading.Thread(target=SocketLink(theirs).fill, args=(memoryview(received),))
        reader.start()
        link.write(parts, total)
        reader.join()
        assert received == b"".join(parts)


def test_the_end_of_the_other_side_is_a_broker_error():
    ours, theirs = socket.socketpair()
    with ours:
        link = SocketLink(ours)
        memory = memoryview(bytearray(10))
        assert link.arrive(memory, 0) == 0
        assert link.arrive(memory, 0.001) == 0
        theirs.close()
        for act in (lambda: link.arrive(memory, 1), lambda: link.read(memory), lambda: link.fill(memory)):
            with pytest.raises(BrokerError, match="closed the connection"):
                act()
        with pytest.raises(BrokerError, match="closed the connection"):
            link.write((b"x",), 1)


def test_a_length_that_no_value_has_is_refused_before_memory_is_taken():
    reader = Resp(Script([b"$999999999999999\r\n"]), lambda: None)
    with pytest.raises(BrokerError, match="999999999999999"):
        reader.payload(Pool(10))
