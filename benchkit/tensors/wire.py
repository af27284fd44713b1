"""The envelope that the engine puts around what a codec made: 64 bytes, then the body.

::

    offset  0  magic      4 bytes  b"bkt1"
            4  flags      u16      REPLY, FAILED, WARMUP, FOREIGN, DROPPED
            6  reserved   u16      0
            8  seq        u64      the engine's sequence number
           16  body       u64      bytes that follow the envelope
           24  fingerprint u64     of the body (integrity.py)
           32  checksum   u64      of every byte of the body
           40  item       u32      which prepared message this is (replies are checked by it)
           44  due        i64      when it was due, ns of the producer's clock; 0: not told
           52  reserved   12 bytes 0

All integers are little-endian. 64 bytes keep the body's tensors aligned where the receive buffer is.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from benchkit.errors import MessageError

Buffer = bytes | bytearray | memoryview
"""What travels: anything with the buffer protocol, C-contiguous and of format B."""

ENVELOPE_BYTES = 64
REPLY = 1
FAILED = 2
"""A reply whose body is the UTF-8 text of the stage's error."""
WARMUP = 4
"""A message that no statistic counts."""
FOREIGN = 8
"""A message that another client asked the stage to answer: it has no number and is in no account.

A transport that takes such messages gives a receiver the producer's own first."""
DROPPED = 16
"""A reply without a body: the stage dropped the message and ran nothing on it."""

_MAGIC = b"bkt1"
_LAYOUT = struct.Struct("<4sHHQQQQI20x")
assert _LAYOUT.size == ENVELOPE_BYTES  # noqa: S101  (a fact about the line above)
_DUE_AT = 44
_DUE = struct.Struct("<q")


class Envelope(NamedTuple):
    """What stands before the body; see the table at the head of this file."""

    seq: int
    body_bytes: int
    flags: int = 0
    fingerprint: int = 0
    checksum: int = 0
    item: int = 0


def pack(envelope: Envelope) -> bytes:
    """The 64 bytes of `envelope`."""
    return header(*envelope)


def header(
    seq: int, body_bytes: int, flags: int = 0, fingerprint: int = 0, checksum: int = 0, item: int = 0
) -> bytes:
    """The 64 bytes of an envelope that nobody needs as a tuple: the measured path."""
    return _LAYOUT.pack(_MAGIC, flags, 0, seq, body_bytes, fingerprint, checksum, item)


def with_due(head: bytes, due_ns: int) -> bytes:
    """The 64 bytes of an envelope that tells when its message was due."""
    return b"".join((head[:_DUE_AT], _DUE.pack(due_ns), head[_DUE_AT + _DUE.size :]))


def due_of(message: Buffer) -> int:
    """When a message was due, by its envelope (64 bytes at least); 0 where it is not told."""
    due_ns: int = _DUE.unpack_from(message, _DUE_AT)[0]
    return due_ns


def unpack_envelope(start: Buffer) -> Envelope:
    """The envelope at the start of a message that may be cut off behind it; raises MessageError."""
    view = start if type(start) is memoryview else memoryview(start)
    if view.nbytes < ENVELOPE_BYTES:
        raise MessageError(f"{view.nbytes} bytes are no message: the envelope alone has {ENVELOPE_BYTES}")
    magic, flags, _, seq, body_bytes, fingerprint, checksum, item = _LAYOUT.unpack_from(view)
    if magic != _MAGIC:
        raise MessageError(f"a message starts with {_MAGIC!r}, this one with {magic!r}")
    return Envelope(seq, body_bytes, flags, fingerprint, checksum, item)


def unpack(message: Buffer) -> tuple[Envelope, memoryview]:
    """Envelope and body of a whole message, nothing copied; raises MessageError when malformed."""
    view = message if type(message) is memoryview else memoryview(message)
    envelope = unpack_envelope(view)
    if envelope.body_bytes != view.nbytes - ENVELOPE_BYTES:
        raise MessageError(
            f"the envelope promises {envelope.body_bytes} bytes, {view.nbytes - ENVELOPE_BYTES} came"
        )
    return envelope, view[ENVELOPE_BYTES:]


def total_bytes(parts: Sequence[Buffer]) -> int:
    """Length of the gathered parts in bytes."""
    return sum([part.nbytes if type(part) is memoryview else len(part) for part in parts])
