"""Packets: strict where the standard is and encoders comply, byte for byte everywhere."""

from __future__ import annotations

import hashlib
import math
import time
import tracemalloc

import pytest
from examples import JMISB, OTHERS, TWENTY
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import KlvError, MessageError
from benchkit.klv import TAGS, UNIVERSAL_LABEL, checksum, pack, parse, split
from benchkit.klv.ber import length_bytes, read_length, read_tag, tag_bytes
from benchkit.klv.packet import MAX_ITEMS

DATA = pack(TWENTY)


def built(items: bytes, length: bytes | None = None, tail: bytes = b"\x01\x02") -> bytes:
    """A packet of these items with a right checksum, whatever else is wrong with it."""
    size = len(items) + len(tail) + 2
    data = UNIVERSAL_LABEL + (length_bytes(size) if length is None else length) + items + tail
    return data + checksum(data).to_bytes(2, "big")


TIME = b"\x02\x08" + (1_700_000_000_000_000).to_bytes(8, "big")


@pytest.mark.parametrize("name", OTHERS)
def test_the_packet_that_other_software_makes_of_the_same_values(name):
    values, digest = OTHERS[name]
    data = pack(values)
    assert hashlib.sha256(data).hexdigest() == digest
    packet = parse(data)
    assert packet.pack() == data
    assert packet.time_us == values[2]
    for tag, value in packet.values().items():
        if isinstance(values[tag], float):
            assert value == pytest.approx(values[tag], abs=TAGS[tag].encoding.scale)
        else:
            assert value == values[tag]


def test_a_packet_of_other_software_without_a_time_stamp_is_read():
    values, digest = JMISB
    data = built(
        b"".join(tag_bytes(tag) + _sized(TAGS[tag].encoding.encode(each)) for tag, each in values.items())
    )
    assert hashlib.sha256(data).hexdigest() == digest
    packet = parse(data)
    assert packet.time_us is None
    assert packet.tags == (13, 14, 15)
    assert packet.value(13) == pytest.approx(42.4036, abs=1e-7)
    assert packet.value(15) == pytest.approx(1258.3, abs=0.31)
    assert packet.pack() == data


def _sized(raw: bytes) -> bytes:
    return length_bytes(len(raw)) + raw


def test_values_come_back_in_order_with_the_time_first_and_the_checksum_last():
    packet = parse(pack({65: 17, 13: 1.5, 2: 99, 48: b"nested", 5000: b"unknown", 3: None, 6: math.nan}))
    assert packet.tags == (2, 65, 13, 48, 5000, 3, 6)
    assert packet.spans[-1][0] == 1
    assert packet.value(13) == pytest.approx(1.5, abs=1e-7)
    assert packet.value(48) == b"nested"
    assert packet.value(5000) == packet.raw(5000) == b"unknown"
    assert packet.value(3) is None
    assert 3 in packet
    assert packet.value(4) is None
    assert 4 not in packet
    assert math.isnan(packet.value(6))


@pytest.mark.parametrize("cut", range(len(DATA)))
def test_a_packet_that_is_cut_off_anywhere_is_refused(cut):
    with pytest.raises(KlvError) as error:
        parse(DATA[:cut])
    assert error.value.position is not None
    assert 0 <= error.value.position <= cut


def test_every_changed_bit_is_seen():
    for place in range(len(DATA)):
        for bit in (0, 3, 7):
            changed = bytearray(DATA)
            changed[place] ^= 1 << bit
            with pytest.raises(KlvError):
                parse(changed)


@pytest.mark.parametrize(
    ("data", "message", "position"),
    [
        (b"", "universal label", 0),
        (b"\x06\x0e\x2b", "universal label", 3),
        (b"\x06\x0e\x2c" + DATA[3:], "0x2c, not 0x2b", 2),
        (b"\x00" + DATA, "0x00, not 0x06", 0),
        (DATA + b"\x00", "1 bytes follow", len(DATA)),
        (DATA + DATA, "follow the packet", len(DATA)),
        (UNIVERSAL_LABEL, "end before a length", 16),
        (UNIVERSAL_LABEL + b"\x80" + DATA[17:], "indefinite", 16),
        (UNIVERSAL_LABEL + b"\xff" + DATA[17:], "127 octets", 16),
        (UNIVERSAL_LABEL + b"\x88" + b"\xff" * 8, "18446744073709551615 bytes are announced", 16),
        (UNIVERSAL_LABEL + b"\x84\x7f\xff\xff\xff" + DATA[17:], "2147483647 bytes are announced", 16),
        (UNIVERSAL_LABEL + b"\x82\x01", "end within a length of 2 octets", 16),
        (UNIVERSAL_LABEL + b"\x00", "no checksum", 17),
        (UNIVERSAL_LABEL + b"\x0a" + TIME, "no checksum", 27),
        (built(b"\x01\x02\x00\x00" + TIME), "follow the checksum", 21),
        (built(b"\x05\x7f" + TIME), "Platform Heading Angle of 127 bytes ends beyond", 17),
        (built(TIME + b"\x05\x88" + b"\xff" * 8), "of 18446744073709551615 bytes ends beyond", 27),
        (built(b"\x80\x02\x00" + TIME), "leading zero", 17),
        (built(b"\xff\xff\xff\xff\x01\x00" + TIME), "a tag of more than 4", 17),
        (built(b"\x00\x00" * (MAX_ITEMS + 1)), "more than 4096 items", None),
    ],
)  # fmt: skip
def test_what_is_no_packet_is_one_error_with_its_place(data, message, position):
    with pytest.raises(KlvError, match=message) as error:
        parse(data)
    assert isinstance(error.value, MessageError)
    assert position in {None, error.value.position}
    assert f"KLV byte {error.value.position}: " in str(error.value)
    assert error.value.remedy


def test_a_checksum_that_is_not_of_two_bytes_is_refused():
    data = UNIVERSAL_LABEL + b"\x0d" + TIME + b"\x01\x01\x00"
    with pytest.raises(KlvError, match="a checksum of 1 bytes"):
        parse(data)


def test_a_wrong_checksum_tells_both_sums():
    wrong = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(
        KlvError, match=f"{int.from_bytes(wrong[-2:], 'big'):#06x}.*{checksum(DATA[:-2]):#06x}"
    ) as error:
        parse(wrong)
    assert error.value.position == len(DATA) - 2


def test_a_huge_length_costs_neither_time_nor_memory():
    data = UNIVERSAL_LABEL + b"\x88" + b"\x7f" * 8 + bytes(1 << 20)
    tracemalloc.start()
    with pytest.raises(KlvError):
        parse(data)
    with pytest.raises(KlvError, match="more than"):
        parse(built(bytes(1 << 20)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4095, 4096, 4097, 100_001])
def test_the_checksum_is_the_sum_of_16_bit_words(size):
    data = bytes(index * 37 + 11 & 0xFF for index in range(size))
    expected = sum(byte << (8 if index % 2 == 0 else 0) for index, byte in enumerate(data)) & 0xFFFF
    assert checksum(data) == expected


# An item in any form that an encoder may choose: lengths longer than needed, items that come twice, unknown tags.
forms = st.lists(
    st.tuples(
        st.integers(0, 2**28 - 1).filter(lambda tag: tag != 1), st.binary(max_size=200), st.integers(0, 9)
    ),
    max_size=12,
)


@given(
    forms,
    st.sampled_from([0, 2, 3, 5, 9]),
    st.sampled_from([b"\x01\x02", b"\x01\x81\x02", b"\x01\x84\0\0\0\x02"]),
)
@settings(max_examples=150)
def test_any_form_of_lengths_is_packed_again_byte_for_byte(items, octets, tail):
    body = b"".join(tag_bytes(tag) + length_bytes(len(raw), form) + raw for tag, raw, form in items)
    data = built(body, length_bytes(len(body) + len(tail) + 2, octets), tail)
    packet = parse(data)
    assert packet.pack() == data
    assert [(item.tag, item.raw) for item in packet.items] == [(tag, raw) for tag, raw, _ in items]


@given(st.dictionaries(st.sampled_from([13, 14, 5, 65, 3, 900]), st.just(b"\x01\x02\x03\x04"), max_size=6))
def test_replacing_touches_nothing_else(values):
    items = TIME + b"\x0d\x81\x04abcd" + b"\x83\x04\x03xyz" + b"\x0d\x01q"
    data = built(items, length_bytes(len(items) + 4, 3))
    before, after = parse(data), parse(parse(data).replaced(values))
    assert {tag: after.raw(tag) for tag in values} == values
    kept = [item for item in before.items if item.tag not in values or item.head == b"\x0d\x01"]
    assert [item for item in after.items if item.tag not in values or item.head == b"\x0d\x01"] == kept
    assert after.data[16:19] == length_bytes(len(after.data) - 19, 3)


def test_what_cannot_be_packed_is_refused():
    for values, message in (
        ({}, "without a precision time stamp"),
        ({13: 1.0}, "without a precision time stamp"),
        ({2: 1, 1: 7}, "tag 1 .*checksum"),
        ({2: 1, 13: 91.0}, "tag 13 .Sensor Latitude.*out of range"),
        ({2: 1, 500: 3}, "tag 500"),
        ({2: 1, -1: b""}, "no tag"),
        ({2: 1, "x": b""}, "no tag"),
        ({2: -1}, "tag 2 "),
    ):
        with pytest.raises(KlvError, match=message):
            pack(values)


def test_packets_in_a_row_are_parted():
    many = [pack({2: number, 48: bytes(number)}) for number in (0, 1, 100, 300)]
    assert list(split(b"".join(many))) == many
    with pytest.raises(KlvError) as error:
        list(split(b"".join(many)[:-1]))
    assert error.value.position == sum(map(len, many[:3])) + 16
    assert list(split(b"")) == []


@given(st.integers(0, 2**64 - 1), st.integers(0, 9), st.binary(max_size=3))
def test_lengths_and_tags_come_back(number, octets, rest):
    raw = length_bytes(number, octets)
    assert read_length(raw + rest, 0, len(raw + rest)) == (number, len(raw))
    tag = number & 2**28 - 1
    raw = tag_bytes(tag)
    assert read_tag(raw + rest, 0, len(raw + rest)) == (tag, len(raw))


def test_a_large_nested_set_takes_no_longer_than_its_bytes():
    small, large = pack({2: 1, 74: bytes(1000)}), pack({2: 1, 74: bytes(1_000_000)})
    best = {}
    for data in (small, large):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            parse(data)
            times.append(time.perf_counter() - start)
        best[len(data)] = min(times)
    assert best[len(large)] < 2000 * best[len(small)]  # a thousand times as many bytes
