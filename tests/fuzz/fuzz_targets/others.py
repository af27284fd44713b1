"""The control channel between runner and parties, a NATS server's greeting, an inference server's pages."""

from __future__ import annotations

import json
import struct

import msgpack
from fuzz_target import Target

from benchkit.engine.channel import Channel
from benchkit.errors import BenchkitError, BrokerError
from benchkit.transports._kserve.server import Server
from benchkit.transports._nats import connect as nats
from benchkit.transports.base import ArraySpec
from fuzz_targets.fed import FedSocket
from fuzz_targets.shapes import documents, packed, text


def channel(data: bytes) -> None:
    """Messages until the other end is gone; by the first byte, the first one's length is right."""
    if data[:1] == b"\1":
        data = b"\4" + struct.pack("<Q", len(data) - 1) + data[1:]
    end = Channel(FedSocket(b"\4" + data[1:]))
    at = 0
    while at < len(data) - 1:
        assert isinstance(end.recv(), dict)
        at = end._sock.at


def channel_seeds() -> list[bytes]:
    values = [
        {},
        {"kind": "go", "at_ns": 1 << 60, "cells": ["a", {1: b"x" * 40}]},
        [1],
        {"rows": b"\0" * 200, "x": [None, 1.5]},
    ]
    bodies = [msgpack.packb(value) for value in values]
    whole = [struct.pack("<Q", len(body)) + body for body in bodies]
    return (
        [b"\1" + body for body in bodies] + [b"\0" + each for each in whole] + [b"\0" + whole[0] + whole[1]]
    )


class _Greeting(FedSocket):
    def recv(self, nbytes: int) -> bytes:
        self.at += nbytes
        return self.data[self.at - nbytes : self.at]


def greeting(data: bytes) -> None:
    """What a server says first, and what it answers to the hello."""
    wire = nats._greeted(_Greeting(data), nats.target("nats://user:pw@127.0.0.1:4222"), "here")
    assert wire.max_payload >= 0
    assert wire.server.startswith("nats-server ")


def greeting_seeds() -> list[bytes]:
    infos = [
        {"version": "2.9", "max_payload": 1 << 20},
        {"tls_required": True},
        {},
        {"max_payload": "many"},
        [],
    ]
    ends = [b"PONG\r\n", b"-ERR 'Authorization Violation'\r\n", b"+OK\r\n"]
    return [b"\0INFO " + json.dumps(info).encode() + b"\r\n" + end for info in infos for end in ends]


INPUTS = (ArraySpec("x", "float32", (2, 3)), ArraySpec("n", "uint8", (4,)))


class _Pages(Server):
    """A server that gives the same page for everything."""

    page = b""

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        return 200, self.page


def pages(data: bytes) -> None:
    """Metadata and counters of somebody else's server."""
    server = _Pages("http://127.0.0.1:1", "m", "", {})
    server.page = documents(data)
    server.times()
    fit = server.fit(INPUTS, {}, binary=None)
    assert isinstance(fit.about, str)


def page_seeds() -> list[bytes]:
    inputs = [
        {"name": "x", "datatype": "FP32", "shape": [-1, 2, 3]},
        {"name": "n", "datatype": "UINT8", "shape": ["1", "4"]},
    ]
    stats = {
        "success": {"count": 3, "ns": 9},
        "queue": {"ns": 4},
        **{n: {"ns": 5} for n in ("compute_input", "compute_infer")},
    }
    pages = [
        {"name": "triton", "version": "2", "extensions": ["binary_tensor_data"], "inputs": inputs},
        {"inputs": inputs[:1]},
        {"inputs": []},
        {"model_stats": [{"inference_stats": {**stats, "compute_output": {"ns": 1}}}]},
        {"model_stats": [{"inference_stats": stats}, 3]},
        {"error": "no"},
    ]
    return [b"\1" + packed(page) for page in pages] + [b"\0" + text(page) for page in pages]


TARGETS = (
    Target(
        "channel",
        channel,
        (EOFError,),
        channel_seeds,
        ("engine/channel.py",),
        512,
        (b"\xdf", b"\xc7", b"\xd6\xff", b"\xdd"),
    ),
    Target(
        "nats-greeting",
        greeting,
        (BrokerError,),
        greeting_seeds,
        ("transports/_nats/connect.py", "transports/_nats/wire.py"),
        512,
        (b"INFO ", b'"max_payload":', b'"tls_required":', b"PONG\r\n", b"\r\n", b"[[[[", b"-ERR "),
    ),
    Target(
        "kserve-pages",
        pages,
        (BenchkitError,),
        page_seeds,
        ("transports/_kserve/server.py", "transports/_kserve/document.py"),
        768,
        (
            b"inputs",
            b"shape",
            b"model_stats",
            b"inference_stats",
            b"count",
            b"ns",
            b"1e999",
            b"\xcb",
            b"\xcf\xff",
        ),
    ),
)
