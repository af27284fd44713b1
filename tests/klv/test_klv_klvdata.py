"""Against klvdata (MIT), written by other people: its packets parse to its values, and it reads ours.

Where it departs from MISB ST 0601 it is left out, by tag: 39 is signed, 43 and 44 are 2 pixels a step, 93 is +-180
degrees, 96 and 103 to 105 are IMAPB (MISB ST 1201), 77 is a number; times are cut to what a float of seconds holds.
"""

from __future__ import annotations

import random

import pytest

from benchkit.klv import TAGS, UNIVERSAL_LABEL, pack, parse
from benchkit.klv.ber import length_bytes
from benchkit.klv.encodings import Mapped, Text, Whole

klvdata = pytest.importorskip("klvdata", reason="pip install klvdata")

from klvdata import common, misb0601  # noqa: E402  (after the skip)
from klvdata.elementparser import MappedElementParser, StringElementParser  # noqa: E402

DEPARTS = {39, 43, 44, 77, 93, 96, 103, 104, 105}
TIME_US = 1_700_000_000_000_000
_PARSERS = {int.from_bytes(key, "big"): its for key, its in misb0601.UASLocalMetadataSet.parsers.items()}
NUMBERS = [
    tag
    for tag, its in _PARSERS.items()
    if issubclass(its, MappedElementParser) and type(its._domain) is tuple
]
TEXTS = [tag for tag, its in _PARSERS.items() if issubclass(its, StringElementParser) and tag not in {94, 95}]
SHARED = sorted({*NUMBERS, *TEXTS} - DEPARTS)


def packet(items: bytes) -> bytes:
    """Framed and summed as klvdata does it."""
    body = items + b"\x01\x02"
    data = UNIVERSAL_LABEL + common.ber_encode(len(body) + 2) + body
    return data + common.packet_checksum(data + b"\0\0")


def value(tag: int, chance: random.Random) -> float | str:
    if tag in TEXTS:
        return "".join(chance.choices("abcdefgh 0123", k=chance.randrange(1, 40)))
    low, high = _PARSERS[tag]._range
    return chance.uniform(low, high)


def test_nearly_every_tag_is_shared():
    assert len(SHARED) > 75
    assert {5, 6, 7, 13, 14, 15, 23, 24, 25, 65} <= set(SHARED)


@pytest.mark.parametrize("seed", range(40))
def test_its_packets_parse_to_its_values_and_pack_byte_for_byte(seed):
    chance = random.Random(seed)
    tags = chance.sample(SHARED, chance.randrange(1, 30))
    items = {tag: bytes(_PARSERS[tag](value(tag, chance))) for tag in tags}
    data = packet(b"\x02\x08" + TIME_US.to_bytes(8, "big") + b"".join(items.values()))
    its = {tag: _PARSERS[tag](item[2:]) for tag, item in items.items()}
    ours = parse(data)
    assert ours.pack() == data
    assert ours.tags == (2, *tags)
    for tag, each in its.items():
        expected = str(each.value)
        if tag in TEXTS:
            assert ours.value(tag) == expected
        else:
            assert ours.value(tag) == pytest.approx(float(expected), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_it_reads_ours(seed):
    chance = random.Random(1000 + seed)
    values = {tag: value(tag, chance) for tag in chance.sample(SHARED, chance.randrange(1, 30))}
    values = {
        tag: round(each) if isinstance(TAGS[tag].encoding, Whole) else each for tag, each in values.items()
    }
    data = pack({2: TIME_US, **values})
    assert common.packet_checksum(data) == data[-2:]
    (theirs,) = klvdata.StreamParser(data)
    read = {int.from_bytes(key, "big"): item for key, item in theirs.items.items()}
    assert list(read) == [2, *values, 1]
    for tag, sent in values.items():
        encoding = TAGS[tag].encoding
        if isinstance(encoding, Text):
            assert str(read[tag].value) == sent
        else:
            step = encoding.scale if isinstance(encoding, Mapped) else 0
            assert float(str(read[tag].value)) == pytest.approx(sent, abs=step / 2 + 1e-9)


def test_lengths_are_written_as_it_writes_them():
    for length in (0, 1, 127, 128, 255, 256, 65_535, 65_536):
        assert length_bytes(length) == common.ber_encode(length)
