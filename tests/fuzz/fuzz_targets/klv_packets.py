"""KLV packets to begin with: of any form of lengths, values of the size of their tag, or of any."""

from __future__ import annotations

import random

from benchkit.klv import TAGS, UNIVERSAL_LABEL, checksum
from benchkit.klv.ber import length_bytes, tag_bytes

MOST_ITEMS = 20


def summed(items: bytes, octets: int = 0, tail: bytes = b"\x01\x02") -> bytes:
    """A packet of these bytes with the right length and checksum."""
    data = UNIVERSAL_LABEL + length_bytes(len(items) + len(tail) + 2, octets) + items + tail
    return data + checksum(data).to_bytes(2, "big")


def valid(chance: random.Random) -> bytes:
    """A packet that the parser must take."""
    items = [b"\x02\x08" + chance.randbytes(8)]
    for _ in range(chance.randrange(MOST_ITEMS)):
        tag = chance.choice((chance.randrange(2, 144), chance.randrange(2, 144), chance.randrange(2, 1 << 28)))
        encoding = TAGS[tag].encoding if tag in TAGS else None
        size = getattr(encoding, "size", 0) if chance.random() < 0.97 else 0
        raw = chance.randbytes(size or chance.choice((0, 1, 3, 8, 9, 40)))
        items.append(tag_bytes(tag) + length_bytes(len(raw), chance.choice((0, 0, 0, 2, 3, 9))) + raw)
    return summed(b"".join(items), chance.choice((0, 0, 0, 2, 4, 9)))


def valid_packets(count: int) -> list[bytes]:
    """So many, always the same."""
    chance = random.Random(601)
    return [valid(chance) for _ in range(count)]
