"""Every number of the table against the worked examples of the standard, and every encoding at its edges."""

from __future__ import annotations

import math

import pytest
from examples import WORKED
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import KlvError
from benchkit.klv import TAGS, pack, parse, tag_name
from benchkit.klv.encodings import Imapb, Mapped, Text, Whole, mapped, symmetric

TIME_US = 1_700_000_000_000_000
MAPPED = [tag.number for tag in TAGS.values() if isinstance(tag.encoding, Mapped)]


@pytest.mark.parametrize("tag", WORKED)
def test_the_worked_example_of_the_standard(tag):
    raw, value = bytes.fromhex(WORKED[tag][0]), WORKED[tag][1]
    encoding = TAGS[tag].encoding
    assert encoding.encode(value) == raw
    decoded = encoding.decode(raw, 0)
    assert encoding.encode(decoded) == raw
    if isinstance(value, str) or isinstance(encoding, Whole):
        assert decoded == value
    else:
        step = encoding.scale if isinstance(encoding, Mapped) else (encoding.high - encoding.low) / 2**13
        assert abs(decoded - value) <= step


def test_the_table_names_every_tag_once_and_in_order():
    assert list(TAGS) == list(range(1, 144))
    assert all(number == tag.number for number, tag in TAGS.items())
    assert len({tag.name for tag in TAGS.values()}) == len(TAGS)
    assert tag_name(13) == "Sensor Latitude"
    assert tag_name(200) == "tag 200"


@pytest.mark.parametrize("number", MAPPED)
def test_every_number_of_a_mapped_tag_comes_back(number):
    encoding = TAGS[number].encoding
    most = 1 << 8 * encoding.size
    for count in {
        0,
        1,
        2,
        most // 2 - 1,
        most // 2,
        most // 2 + 1,
        most - 2,
        most - 1,
        *range(0, most, most // 97),
    }:
        raw = count.to_bytes(encoding.size, "big")
        value = encoding.decode(raw, 0)
        assert encoding.encode(value) == raw


def test_out_of_range_is_nan_both_ways():
    angle = symmetric(2, 20)
    assert math.isnan(angle.decode(b"\x80\x00", 0))
    assert angle.encode(math.nan) == b"\x80\x00"
    assert angle.decode(b"\x80\x01", 0) == -20
    with pytest.raises(KlvError, match="NaN"):
        mapped(2, 0, 360).encode(math.nan)


@pytest.mark.parametrize("value", [20.001, -20.001, 1e300, -1e300])
def test_a_value_beyond_the_range_is_refused_with_the_range(value):
    with pytest.raises(KlvError, match="from -20 to 20") as error:
        symmetric(2, 20).encode(value)
    assert error.value.remedy


@pytest.mark.parametrize("value", [math.inf, -math.inf, "7", b"7", 1.5, True, 2**200])
@pytest.mark.parametrize("tag", [5, 6, 8, 72, 110, 136])
def test_what_a_tag_cannot_carry_is_one_error(tag, value):
    if isinstance(value, bytes) or (value == 1.5 and tag in {5, 6}) or (value is True and tag in {5, 6}):
        pack({2: TIME_US, tag: value})  # bytes travel under any tag, and small numbers fit
        return
    with pytest.raises(KlvError, match=f"tag {tag} "):
        pack({2: TIME_US, tag: value})


def test_text_is_utf_8_of_limited_length():
    assert Text().decode("계측".encode(), 0) == "계측"
    with pytest.raises(KlvError) as error:
        Text().decode(b"ab\xff", 40)
    assert error.value.position == 42
    for text in ("x" * 128, "\ud800"):
        with pytest.raises(KlvError):
            Text().encode(text)


def test_whole_numbers_of_any_length_take_as_few_bytes_as_they_need():
    for value, raw in ((0, "00"), (255, "ff"), (256, "0100"), (2**32 - 1, "ffffffff")):
        assert TAGS[110].encoding.encode(value).hex() == raw
    for value, raw in ((127, "7f"), (128, "0080"), (-128, "80"), (-129, "ff7f"), (-(2**31), "80000000")):
        assert TAGS[136].encoding.encode(value).hex() == raw
        assert TAGS[136].encoding.decode(bytes.fromhex(raw), 0) == value
    with pytest.raises(KlvError):
        TAGS[110].encoding.encode(2**32)


def test_special_values_of_st_1201():
    height = Imapb(-900, 40_000, 3)
    assert height.decode(b"\xc8\x00\x00", 0) == math.inf
    assert height.decode(b"\xe8\x00\x00", 0) == -math.inf
    assert math.isnan(height.decode(b"\xd0\x00\x00", 0))
    assert Imapb(0, 2, 1).decode(b"\x80", 0) == 2  # the end of a range that is a power of two
    assert Imapb(0, 2, 1).encode(2) == b"\x80"


@given(st.floats(-900, 40_000), st.integers(2, 8))
def test_st_1201_is_exact_at_zero_and_never_off_by_more_than_a_step(value, size):
    encoding = Imapb(-900, 40_000, size)
    assert abs(encoding.decode(encoding.encode(value), 0) - value) <= 2 ** (17 - 8 * size) + 1e-9
    assert encoding.decode(encoding.encode(0.0), 0) == 0


def test_an_item_of_another_size_is_told_with_its_place_and_its_bytes_stay():
    data = pack({2: TIME_US, 5: b"\x01\x02\x03"})
    packet = parse(data)
    with pytest.raises(KlvError, match="3 bytes, not 2") as error:
        packet.value(5)
    assert data[error.value.position :][:3] == b"\x01\x02\x03"
    assert packet.raw(5) == b"\x01\x02\x03"
    assert packet.pack() == data
