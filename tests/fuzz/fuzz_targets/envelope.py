"""The 64 bytes around every message."""

from __future__ import annotations

from fuzz_target import Target

from benchkit.errors import MessageError
from benchkit.tensors import wire


def run(data: bytes) -> None:
    """By the first byte: as it is, or with the magic and the length put right."""
    if data[:1] == b"\x01" and len(data) > wire.ENVELOPE_BYTES:
        length = (len(data) - 1 - wire.ENVELOPE_BYTES).to_bytes(8, "little")
        data = b"?bkt1" + data[5:17] + length + data[25:]
    data = data[1:]
    envelope, body = wire.unpack(data)
    assert len(body) == envelope.body_bytes
    packed = wire.pack(envelope)
    assert wire.unpack_envelope(packed) == envelope == wire.unpack_envelope(data)
    due = wire.due_of(data)
    assert wire.due_of(wire.with_due(packed, due)) == due


def seeds() -> list[bytes]:
    bodies = (b"", b"x", bytes(100))
    return [
        mode + wire.with_due(wire.header(seq, len(body), flags, 1 << 63, 2**64 - 1, 7), due) + body
        for mode in (b"\0", b"\x01")
        for body in bodies
        for seq, flags, due in ((0, 0, 0), (2**64 - 1, 31, -1), (5, wire.REPLY | wire.FAILED, 2**63 - 1))
    ]


TARGETS = (Target("wire", run, (MessageError,), seeds, ("tensors/wire.py",), 256, (b"bkt1",)),)
