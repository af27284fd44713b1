"""KLV packets, and the transport streams that carry them beside video."""

from __future__ import annotations

import io
import random
from fractions import Fraction

from fuzz_target import Target
from fuzz_targets.klv_packets import summed, valid, valid_packets

from benchkit.errors import KlvError, MessageError
from benchkit.klv import TAGS, UNIVERSAL_LABEL, parse, split
from benchkit.klv import ts as streams
from benchkit.klv.encodings import Mapped


def packet(data: bytes) -> None:
    """Parsed, packed again, every value decoded and encoded; by the first byte with length and checksum put right."""
    if data[:1] == b"\x01":
        data = summed(data[2:], data[1] % 10) if len(data) > 1 else b""
    else:
        data = data[1:]
    try:
        found = parse(data)
    except KlvError as error:
        _placed(error, data)
        raise
    assert found.pack() == data
    assert list(split(data)) == [data]
    refused = None
    for tag in found.tags:
        try:
            value = found.value(tag)
        except KlvError as error:
            _placed(error, data)
            refused = error
            continue
        known = TAGS.get(tag)
        if known is not None and isinstance(known.encoding, Mapped) and value is not None:
            assert known.encoding.encode(value) == found.raw(tag), f"tag {tag} is encoded otherwise"
    if refused is not None:
        raise refused


def _placed(error: KlvError, data: bytes) -> None:
    assert error.position is not None
    assert 0 <= error.position <= len(data)


def packet_seeds() -> list[bytes]:
    found = [b"\0" + each for each in valid_packets(30)]
    chance = random.Random(9)
    for tag, known in TAGS.items():
        size = getattr(known.encoding, "size", 0) or 3
        item = (bytes((tag,)) if tag < 128 else bytes((0x80 | tag >> 7, tag & 127))) + bytes((size,)) + chance.randbytes(size)
        found.append(b"\x01\0" + b"\x02\x08" + bytes(8) + item)
    return found


def stream(data: bytes) -> None:
    """A transport stream, all units of it."""
    for unit in streams.read(io.BytesIO(data)):
        assert isinstance(unit.data, bytes)


def stream_seeds() -> list[bytes]:
    unit = b"\0\0\0\1\x09\x10\0\0\0\1\x67\x42\0\x0a\xf8\x41\xa2\0\0\0\1\x68\xce\x38\x80\0\0\0\1\x65\x88\x84" + bytes(20)
    found = []
    for synchronous in (True, False):
        file = io.BytesIO()
        with streams.Writer(file, synchronous=synchronous, size=(16, 16), rate_per_s=Fraction(25)) as writer:
            for number in range(2):
                writer.video(unit, 3600 * number, is_key=True)
                writer.klv(valid(random.Random(number)), 3600 * number)
        whole = file.getvalue()
        found += [whole[: 188 * 12], whole[: 188 * 7], whole]
    return [each for each in found if len(each) <= STREAM_BYTES]


STREAM_BYTES = 188 * 20
TARGETS = (
    Target("klv", packet, (KlvError,), packet_seeds, ("klv/packet.py", "klv/ber.py", "klv/encodings.py", "klv/tags.py",
           "klv/checksum.py"), 1024, (UNIVERSAL_LABEL, b"\x01\x02", b"\x82", b"\x89")),
    Target("transport-stream", stream, (MessageError,), stream_seeds, ("klv/ts.py",), STREAM_BYTES,
           (b"\x47\x40\0\x10", b"KLVA", b"\x47\x41\0", b"\0\0\1\xfc", b"\0\0\1\xe0", b"\0\0\1\xbd", UNIVERSAL_LABEL)),
)  # fmt: skip
