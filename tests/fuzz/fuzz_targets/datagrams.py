"""Datagrams as the ends of the transport `udp` take them in, without a socket.

An input is a list of what one `receive` of a socket brings: a byte of flags, u16 length, the bytes. Flags: 1, a row of
datagrams of DATAGRAM bytes; 2, the token is wrong; of the first input byte, which parity the cell has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from fuzz_target import Target

from benchkit.transports._udp import sender as sending
from benchkit.transports._udp import worker as working
from benchkit.transports._udp.head import ACK, ANSWER, ASK, GRANT, HEAD_BYTES, LAYOUT, MESSAGE, REPLY, packed
from benchkit.transports._udp.outgoing import Outgoing, Told
from benchkit.transports._udp.place import Ways
from benchkit.transports.base import Address
from benchkit.transports.buffers import Pool

TOKEN = 0x0706050403020107
TOKEN_BYTES = TOKEN.to_bytes(8, "little")
SIZE = 16
DATAGRAM = HEAD_BYTES + SIZE
LIMIT = 300
WHERE = {
    "producers": 1,
    "workers": 1,
    "reply_bytes": LIMIT,
    "message_bytes": LIMIT,
    "token": TOKEN_BYTES.hex(),
    "receive_bytes": 200_000,
}
WAYS = tuple(Ways(4, DATAGRAM + 28, parity, 4, 0.0, 1 << 16, 1 << 16, True, 0.0) for parity in (0, 1))


class FedDatagrams:
    """A socket that has all of an input in it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.sock = self
        self.send_bytes = self.receive_bytes = 1 << 17
        self.buffer, self.table = _BUFFER, _TABLE
        self.left: list[tuple[int, bytes]] = []

    def receive(self) -> tuple[int, int, Any] | None:
        if not self.left:
            return None
        flags, data = self.left.pop(0)
        each = DATAGRAM if flags & 1 and len(data) > DATAGRAM else len(data)
        self.buffer[: len(data)] = data
        if not flags & 2:
            for at in range(0, len(data) - 7, max(1, each)):
                self.buffer[at : at + 8] = TOKEN_BYTES
        return len(data), each, ("127.0.0.1", 1 + (flags >> 4))

    def in_a_row(self, nbytes: int) -> int:
        return 8

    def send(self, parts: Sequence[Any], each_bytes: int, address: Any = None) -> bool:
        return True

    def bind(self, address: Any) -> None:
        pass

    connect = bind

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def fileno(self) -> int:
        return 0

    def kernel_lost(self) -> int:
        return 0

    def close(self) -> None:
        pass


_BUFFER, _TABLE = memoryview(bytearray(1 << 16)), memoryview(bytearray(1 << 16))


def _rows(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 1
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "little") % 2048
        found.append((data[at], data[at + 3 : at + 3 + size]))
        at += 3 + size
    return found


def worker(data: bytes) -> None:
    """A worker takes all of it in, and acknowledges what is whole."""
    with (
        mock.patch.object(working, "Datagrams", FedDatagrams),
        mock.patch.object(working, "announce", _nothing),
    ):
        end = working.UdpReceiver(_ADDRESS, 0, WAYS[bool(data) and data[0] & 1])
    end._sock.left = _rows(data)
    while (found := end.receive(0.0)) is not None:
        assert found.view.nbytes <= LIMIT
        found.ack()
        found.release()
    for producing in end._producing.values():
        producing.peer.inbox.close()
    assert end.room._free == 6, "memory of a message is lost"
    counts = end.counts()
    assert min(counts.values()) >= 0


def producer(data: bytes) -> None:
    """A producer with two messages under way takes all of it in."""
    with (
        mock.patch.object(sending, "Datagrams", FedDatagrams),
        mock.patch.object(sending, "port_of", _one),
        mock.patch.object(sending, "announced", _always),
    ):
        end = sending.UdpSender(_ADDRESS, WAYS[bool(data) and data[0] & 1])
        for _ in range(2):
            assert end.send((bytes(100),), 0.0)
        link = end._links[0]
        assert link is not None
        link.sock.left = _rows(data)
        while (found := end.reply(0.0)) is not None:
            assert found.view.nbytes <= LIMIT
        assert 0 <= link.flight.placed <= 2
        link.peer.inbox.close()
        end._give_back()


def _nothing(*_: Any) -> None:
    pass


def _one(*_: Any) -> int:
    return 1


def _always(*_: Any) -> tuple[int, int]:
    return 1, 1


_ADDRESS = Address(WHERE)


def _record(flags: int, data: bytes) -> bytes:
    return bytes((flags,)) + len(data).to_bytes(2, "little") + data


def _seeds(kind: int, others: Sequence[tuple[int, bytes]]) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        found = []
        for parity, ways in enumerate(WAYS):
            for length in (1, 16, 40, 100, 160):
                out = Outgoing(kind, 1, [bytes(range(200))[:length]], ways.cut(length), Pool(0))
                pieces = []
                while out.index < out.cut.end:
                    parts = out.fragments(1, Told(TOKEN, 5000, 0, 1, 0), _TABLE)
                    pieces.append(b"".join(bytes(part) for part in parts))
                one = b"".join(_record(0, piece) for piece in pieces)
                found += [bytes((parity,)) + one, bytes((parity,)) + one[len(_record(0, pieces[0])) :] + one]
                if length > 16:
                    found.append(bytes((parity,)) + _record(1, b"".join(pieces)))
            for other, more in others:
                head = LAYOUT.pack(TOKEN, other, 0, 0, 0, 0, 1, 0, 0, 9999, 1 << 40, 12)
                found.append(bytes((parity,)) + _record(0, head + more) + _record(2, head))
        return found

    return seeds


_CODE = tuple(
    f"transports/_udp/{name}.py"
    for name in ("head", "arrivals", "reassembly", "parity", "cut", "peer", "flight")
)
TARGETS = (
    Target(
        "udp-worker",
        worker,
        (),
        _seeds(MESSAGE, ((ASK, packed([1, 2, 3])), (GRANT, b""), (ACK, b""))),
        (*_CODE, "transports/_udp/worker.py"),
        2048,
    ),
    Target(
        "udp-producer",
        producer,
        (),
        _seeds(REPLY, ((ACK, b""), (ANSWER, packed([1, 2])), (ASK, b""), (GRANT, b""))),
        (*_CODE, "transports/_udp/sender.py"),
        2048,
    ),
)
