"""Fuzzes the KLV parser: valid packets, damaged; a seeded run can be had again.

    python tests/klv/fuzz_klv.py --inputs 1000000 --seed 1

Each input is a packet of a few to fifty items in any form of lengths, damaged by up to four of the mutations below;
half of those that keep their label get their length and checksum put right again, so that what stands behind both is
reached. Whatever happens but KlvError is a finding: another exception, a packet that does not pack to its own bytes, a
value that is decoded and cannot be encoded as the same bytes.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

from benchkit.errors import KlvError
from benchkit.klv import TAGS, UNIVERSAL_LABEL, checksum, parse, split
from benchkit.klv.ber import length_bytes, tag_bytes
from benchkit.klv.encodings import Mapped

TRICKY = (0, 1, 2, 0x06, 0x0E, 0x7F, 0x80, 0x81, 0x82, 0x84, 0x88, 0x89, 0xFE, 0xFF)
MOST_ITEMS = 50


def summed(items: bytes, octets: int = 0, tail: bytes = b"\x01\x02") -> bytes:
    """A packet of these bytes with the right length and checksum."""
    data = UNIVERSAL_LABEL + length_bytes(len(items) + len(tail) + 2, octets) + items + tail
    return data + checksum(data).to_bytes(2, "big")


def valid(chance: random.Random) -> bytes:
    """A packet that the parser must take; values are of the size of their tag, or of any."""
    items = [b"\x02\x08" + chance.randbytes(8)]
    for _ in range(chance.randrange(MOST_ITEMS)):
        tag = chance.choice(
            (chance.randrange(2, 144), chance.randrange(2, 144), chance.randrange(2, 1 << 28))
        )
        encoding = TAGS[tag].encoding if tag in TAGS else None
        size = getattr(encoding, "size", 0) if chance.random() < 0.97 else 0
        raw = chance.randbytes(size or chance.choice((0, 1, 3, 8, 9, 40, 127, 128, 300)))
        items.append(tag_bytes(tag) + length_bytes(len(raw), chance.choice((0, 0, 0, 2, 3, 9))) + raw)
    return summed(b"".join(items), chance.choice((0, 0, 0, 2, 4, 9)))


def _flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.choice(TRICKY)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _drop(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 9)]


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.randrange(1, 9))


def _extend(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(1, 40))


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randrange(1, 60)]


def _lengthen(data: bytearray, chance: random.Random) -> None:
    at = min(16, len(data))
    data[at : at + 1] = bytes((0x80 | chance.randrange(128),)) + chance.randbytes(chance.randrange(10))


_MUTATIONS = (_flip, _set, _set, _cut, _drop, _insert, _extend, _repeat, _lengthen)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """`data` with up to four mutations; half of the time with length and checksum put right again."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if changed:
            chance.choice(_MUTATIONS)(changed, chance)
    if len(changed) > 22 and chance.random() < 0.5:
        start = 17 if changed[16] < 0x80 else 17 + min(changed[16] & 0x7F, 9)
        return summed(bytes(changed[start:-4]), chance.choice((0, 0, 2, 9)))
    return bytes(changed)


def examined(data: bytes) -> str:
    """`packet`, `value` (a value is refused) or `refused`; raises whatever should not be."""
    try:
        packet = parse(data)
    except KlvError as error:
        if error.position is None or not 0 <= error.position <= len(data):
            raise AssertionError(f"position {error.position} of {len(data)} bytes") from error
        return "refused"
    if packet.pack() != data:
        raise AssertionError("packs to other bytes")
    if list(split(data)) != [data]:
        raise AssertionError("splits otherwise")
    outcome = "packet"
    for tag in packet.tags:
        try:
            value = packet.value(tag)
        except KlvError as error:
            if error.position is None or not 0 <= error.position <= len(data):
                raise AssertionError(f"position {error.position} of {len(data)} bytes") from error
            outcome = "value"
            continue
        known = TAGS.get(tag)
        mapped = known is not None and isinstance(known.encoding, Mapped) and value is not None
        if mapped and known.encoding.encode(value) != packet.raw(tag):
            raise AssertionError(f"tag {tag} is encoded otherwise")
    return outcome


def run(inputs: int, seed: int) -> Counter[str]:
    """Outcomes of so many inputs; a finding is raised with its input, in hex, as a note."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    pool = [valid(chance) for _ in range(200)]
    for data in pool:
        if examined(data) == "refused":
            raise AssertionError(f"a valid packet is refused: {data.hex()}")
    for number in range(inputs):
        if number % 1000 == 999:
            pool[chance.randrange(len(pool))] = valid(chance)
        data = (
            chance.randbytes(chance.randrange(200))
            if number % 50 == 0
            else damaged(chance.choice(pool), chance)
        )
        try:
            outcomes[examined(data)] += 1
        except BaseException as error:
            error.add_note(f"input {number} of seed {seed}: {data.hex()}")
            raise
    return outcomes


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--inputs", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    began = time.monotonic()
    found = run(asked.inputs, asked.seed)
    took_s = time.monotonic() - began
    print(f"{asked.inputs} inputs of seed {asked.seed} in {took_s:.0f} s: {dict(found)}")  # noqa: T201  (its result)
