"""Frames without a server: gathered and cut anywhere, whatever the limit; what is malformed is one error."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import BrokerError
from benchkit.transports._rabbitmq.frames import Frames
from benchkit.transports._rabbitmq.methods import (
    BODY,
    CONNECTION_BLOCKED,
    DELIVER,
    FRAME,
    HEADER,
    Route,
    closing,
    delivered,
    frame,
    method,
    reply_to,
    settled,
    short,
    waiting,
)
from benchkit.transports.buffers import Pool
from benchkit.transports.links import SocketLink

LEAST_FRAME_BYTES = 4096
"""The smallest limit that AMQP allows two sides to agree on."""


def frames(sock: socket.socket, frame_max: int = LEAST_FRAME_BYTES) -> Frames:
    return Frames(SocketLink(sock), frame_max, sock.close, sock, "here")


def arrived(data: bytes, cuts: list[int]) -> tuple[int, bytes, bytes]:
    """What a reader makes of bytes that come in pieces: the deliver's number, the body, where replies go."""
    here, there = socket.socketpair()
    with here, there:

        def write() -> None:
            edges = [0, *sorted(cuts), len(data)]
            with suppress(OSError):  # who has read enough listens no more
                for start, stop in pairwise(edges):
                    there.sendall(data[start:stop])
                there.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            end = frames(here)
            pool = Pool(64)
            assert end.ready(10)
            key, payload = end.method()
            while key == CONNECTION_BLOCKED:
                key, payload = end.method()
            assert key == DELIVER
            slot, nbytes, header = end.content(pool)
            return delivered(payload)[1], bytes(slot[:nbytes]), reply_to(header)
        finally:
            here.shutdown(socket.SHUT_RD)
            thread.join()


def content(number: int, body: bytes, piece: int, between: bytes = b"") -> bytes:
    """A message as a server sends it: headers of its own before `reply_to`, pieces of any size."""
    deliver = method(DELIVER, short("w1") + number.to_bytes(8, "big") + b"\0" + short("") + short("queue"))
    table = b"\x01xI\0\0\0\x07"
    properties = (0x8000 | 0x2000 | 0x1000 | 0x0800 | 0x0400 | 0x0200).to_bytes(2, "big")
    properties += (
        short("text/plain")
        + len(table).to_bytes(4, "big")
        + table
        + b"\x02\x05"
        + short("id")
        + short("back")
    )
    header = frame(HEADER, b"\0\x3c\0\0" + len(body).to_bytes(8, "big") + properties)
    pieces = [frame(BODY, body[at : at + piece]) for at in range(0, len(body), piece)]
    return deliver + header + between.join(pieces)


@given(
    body=st.binary(max_size=300), piece=st.integers(1, 200), cuts=st.lists(st.integers(0, 400), max_size=5),
    number=st.integers(1, 2**64 - 1), blocked=st.booleans(),
)  # fmt: skip
def test_a_message_is_read_however_it_is_cut(body, piece, cuts, number, blocked):
    between = method(CONNECTION_BLOCKED, short("low on disk"), channel=0) if blocked else b""
    data = content(number, body, piece, between)
    assert arrived(data, [min(cut, len(data)) for cut in cuts]) == (number, body, b"back")


@given(
    parts=st.lists(st.integers(0, 9000), max_size=5), frame_max=st.integers(LEAST_FRAME_BYTES, 20_000),
    persistent=st.booleans(),
)  # fmt: skip
def test_what_is_published_is_gathered_into_frames_within_the_limit(parts, frame_max, persistent):
    content = os.urandom(sum(parts))
    buffers, at = [], 0
    for nbytes in parts:
        buffers.append(memoryview(content)[at : at + nbytes])
        at += nbytes
    route = Route("", "queue", "back", persistent=persistent, mandatory=True)
    here, there = socket.socketpair()
    with here, there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        frames(here, frame_max).publish(route, buffers, len(content), b"more")
        here.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: there.recv(1 << 16), b""))
    assert data.endswith(b"more")
    data = data[: -len(b"more")]
    kinds, bodies = [], []
    while data:
        kind, channel, nbytes = FRAME.unpack_from(data)
        payload, end = data[7 : 7 + nbytes], data[7 + nbytes]
        assert (channel, end) == (1, 0xCE)
        assert nbytes + 8 <= frame_max
        kinds.append(kind)
        if kind == HEADER:
            assert int.from_bytes(payload[4:12], "big") == len(content)
            assert reply_to(payload) == b"back"
        if kind == BODY:
            bodies.append(payload)
        data = data[8 + nbytes :]
    assert kinds == [1, 2, *[3] * len(bodies)]
    assert b"".join(bodies) == content


@pytest.mark.parametrize("read", [settled, waiting, delivered, closing, reply_to])
@given(payload=st.binary(max_size=40))
def test_what_is_cut_short_is_one_error(read, payload):
    try:
        read(payload)
    except BrokerError as error:
        assert "cut short" in error.what


@given(data=st.binary(min_size=1, max_size=60), place=st.integers(0, 200))
def test_what_is_damaged_is_one_error_and_nothing_hangs(data, place):
    whole = content(1, bytes(50), 20)
    place = min(place, len(whole) - 1)
    damaged = whole[:place] + data
    try:
        arrived(damaged, [])
    except BrokerError as error:
        assert error.what
    except AssertionError:
        pass  # another method than DELIVER, or nothing at all
