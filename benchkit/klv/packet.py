"""One packet of MISB ST 0601, the UAS Datalink Local Set: parsed strictly, packed, and packed again byte for byte.

A packet is the universal label (16 bytes), a BER length, and items of tag (BER-OID), length (BER) and value; the last
item is the checksum. What is refused is what the standard forbids and encoders in the field keep: another label, a
length that is not exact, bytes before or after, a checksum that is missing, not last or wrong. What encoders do not
all keep is read: a time stamp (tag 2) that is missing or not first, lengths longer than needed, items that come twice.
Values are decoded when they are asked for, so an item that the table knows under another size or that no table knows
travels untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from benchkit.errors import KlvError
from benchkit.klv.ber import length_bytes, read_length, read_tag, tag_bytes
from benchkit.klv.checksum import checksum
from benchkit.klv.encodings import Value
from benchkit.klv.tags import CHECKSUM, PRECISION_TIME_STAMP, RAW, TAGS, tag_name

UNIVERSAL_LABEL: Final = bytes.fromhex("060e2b34020b01010e01030101000000")
"""MISB ST 0601, section 6.2: the key of the UAS Datalink Local Set."""
MAX_ITEMS: Final = 4096
"""Items of one packet that are read; the standard names fewer than 150 tags."""

_LABEL_BYTES: Final = len(UNIVERSAL_LABEL)
_CHECKSUM_HEAD: Final = bytes((CHECKSUM, 2))
_CHECKSUM_BYTES: Final = 2
_LONG: Final = 0x80
_ONE: Final = tuple(bytes((number,)) for number in range(_LONG))
_DAMAGED: Final = "the bytes were damaged on the way, or are no KLV"

Span = tuple[int, int, int, int]
"""Tag, where its item begins, where its value begins, where its value ends."""


class Item(NamedTuple):
    """One item as received: `head` is tag and length, in the form that the encoder chose."""

    tag: int
    head: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that `parse` found whole; `spans` are its items in order, the checksum last."""

    data: bytes
    spans: tuple[Span, ...]

    def __contains__(self, tag: object) -> bool:
        return any(span[0] == tag for span in self.spans)

    @property
    def tags(self) -> tuple[int, ...]:
        """The tags in order, without the checksum."""
        return tuple([span[0] for span in self.spans[:-1]])

    @property
    def items(self) -> tuple[Item, ...]:
        """The items in order, without the checksum."""
        data = self.data
        return tuple([Item(tag, data[head:at], data[at:end]) for tag, head, at, end in self.spans[:-1]])

    @property
    def time_us(self) -> int | None:
        """The precision time stamp (tag 2), microseconds since 1970; None without one. Raises KlvError."""
        value = self.value(PRECISION_TIME_STAMP)
        return value if isinstance(value, int) else None

    def raw(self, tag: int) -> bytes | None:
        """The bytes of the first item of `tag`; None without one."""
        for number, _, at, end in self.spans:
            if number == tag:
                return self.data[at:end]
        return None

    def value(self, tag: int) -> Value:
        """What the first item of `tag` tells, in the units of `TAGS`; None without one, or of no bytes.

        NaN is "out of range"; bytes are what the standard nests and what no table names. Raises KlvError for a
        value that is not of the tag's size or no text.
        """
        for span in self.spans:
            if span[0] == tag:
                return self._decoded(span)
        return None

    def values(self) -> dict[int, Value]:
        """What every tag but the checksum tells, the first item of each; raises KlvError like `value`."""
        told: dict[int, Value] = {}
        for span in self.spans[:-1]:
            if span[0] not in told:
                told[span[0]] = self._decoded(span)
        return told

    def pack(self) -> bytes:
        """The packet again, byte for byte, from its items and a checksum that is computed anew."""
        return self.replaced({})

    def replaced(self, values: Mapping[int, Value]) -> bytes:
        """The packet with other values for some tags, at their places or at the end; all else stays untouched.

        Raises KlvError for values that cannot be written.
        """
        fresh = {tag: _item(tag, value) for tag, value in values.items()}
        *others, (_, head, at, _) = self.spans
        parts = [fresh.pop(tag, b"") or self.data[begin:end] for tag, begin, _, end in others]
        octets = self.spans[0][1] - _LABEL_BYTES
        return _closed(b"".join([*parts, *fresh.values()]), self.data[head:at], octets)

    def _decoded(self, span: Span) -> Value:
        tag, _, at, end = span
        if at == end:
            return None
        known = TAGS.get(tag)
        raw = self.data[at:end]
        return known.encoding.decode(raw, at) if known else raw


def parse(data: bytes | bytearray | memoryview) -> Packet:
    """The one packet that `data` is, whole and with the right checksum; raises KlvError, and nothing else."""
    data = bytes(data)
    at, end = _framed(data, 0)
    if end < len(data):
        raise KlvError(
            f"{len(data) - end} bytes follow the packet",
            position=end,
            remedy="`split` parts packets in a row",
        )
    spans: list[Span] = []
    append = spans.append
    # Measured path: a tag and a length of one byte each are the rule, and are read without a call.
    for _ in range(MAX_ITEMS):
        if at == end:
            break
        head, tag = at, data[at]
        if tag < _LONG and at + 1 < end and data[at + 1] < _LONG:
            stop = at + 2 + data[at + 1]
            at += 2
        else:
            tag, at = read_tag(data, at, end)
            length, at = read_length(data, at, end)
            stop = at + length
        if stop > end:
            raise KlvError(
                f"{tag_name(tag)} of {stop - at} bytes ends beyond the packet", position=head, remedy=_DAMAGED
            )
        append((tag, head, at, stop))
        at = stop
    if at < end:
        raise KlvError(f"more than {MAX_ITEMS} items", position=at, remedy=_DAMAGED)
    _check_sum(data, spans)
    return Packet(data, tuple(spans))


def pack(values: Mapping[int, Value]) -> bytes:
    """A packet of these values by tag: the time stamp first, the checksum last, the others in their order.

    Numbers are in the units of `TAGS`; bytes are written as they are, under any tag; None writes an item without
    bytes ("not known"). Raises KlvError for a value that cannot be written and without a time stamp (tag 2).
    """
    if values.get(PRECISION_TIME_STAMP) is None:
        raise KlvError(
            "a packet without a precision time stamp", remedy="give tag 2, microseconds since 1970"
        )
    parts = [_item(tag, value) for tag, value in values.items() if tag != PRECISION_TIME_STAMP]
    first = _item(PRECISION_TIME_STAMP, values[PRECISION_TIME_STAMP])
    return _closed(b"".join([first, *parts]), _CHECKSUM_HEAD, 0)


def split(data: bytes) -> Iterator[bytes]:
    """The packets that stand in a row in `data`, each as it is, unparsed; raises KlvError where one is cut off."""
    at = 0
    while at < len(data):
        _, end = _framed(data, at)
        yield data[at:end]
        at = end


def _framed(data: bytes, at: int) -> tuple[int, int]:
    """Where the items of the packet at `at` begin and end; raises KlvError."""
    if data[at : at + _LABEL_BYTES] != UNIVERSAL_LABEL:
        _no_label(data, at)
    start, size = at + _LABEL_BYTES, len(data)
    length, begin = read_length(data, start, size)
    if begin + length > size:
        raise KlvError(
            f"{length} bytes are announced, {size - begin} are there",
            position=start,
            remedy="the packet was cut off",
        )
    return begin, begin + length


def _no_label(data: bytes, at: int) -> None:
    found = data[at : at + _LABEL_BYTES]
    for place, (octet, wanted) in enumerate(zip(found, UNIVERSAL_LABEL, strict=False)):
        if octet != wanted:
            raise KlvError(
                f"no universal label of MISB ST 0601: byte {octet:#04x}, not {wanted:#04x}",
                position=at + place,
                remedy="packets of other standards, and bytes before a packet, are not read",
            )
    raise KlvError("the bytes end within the universal label", position=len(data), remedy=_DAMAGED)


def _check_sum(data: bytes, spans: list[Span]) -> None:
    """Raises KlvError unless the last item, and no other, is the checksum, and right."""
    for tag, _, _, end in spans:
        if tag == CHECKSUM and end != len(data):
            raise KlvError("items follow the checksum", position=end, remedy=_DAMAGED)
    if not spans or spans[-1][0] != CHECKSUM:
        raise KlvError("no checksum", position=len(data), remedy="tag 1 must be the last item")
    _, head, at, end = spans[-1]
    if end - at != _CHECKSUM_BYTES:
        raise KlvError(f"a checksum of {end - at} bytes", position=head, remedy="it has two")
    told, computed = data[at] << 8 | data[at + 1], checksum(data[:at])
    if told != computed:
        raise KlvError(
            f"the checksum is {told:#06x}, the bytes make {computed:#06x}", position=at, remedy=_DAMAGED
        )


def _item(tag: int, value: Value) -> bytes:
    known = TAGS.get(tag)
    try:
        if tag == CHECKSUM:
            raise KlvError("a checksum is given", remedy="leave tag 1 out: it is computed")  # noqa: TRY301
        if value is None:
            raw = b""
        elif type(value) is bytes:
            raw = value
        else:
            raw = (known.encoding if known else RAW).encode(value)
    except (TypeError, OverflowError) as error:
        raise KlvError(f"{value!r} is no value: {error}", where=_named(tag)) from None
    except KlvError as error:
        raise KlvError(error.what, where=_named(tag), remedy=error.remedy) from None
    size = len(raw)
    if type(tag) is int and 0 <= tag < _LONG and size < _LONG:
        return _ONE[tag] + _ONE[size] + raw
    return tag_bytes(tag) + length_bytes(size) + raw


def _named(tag: int) -> str:
    return f"KLV tag {tag} ({TAGS[tag].name})" if tag in TAGS else f"KLV tag {tag}"


def _closed(body: bytes, checksum_head: bytes, octets: int) -> bytes:
    """A packet of the items in `body`, its length in `octets` octets where it fits, with its checksum."""
    size = len(body) + len(checksum_head) + _CHECKSUM_BYTES
    data = b"".join((UNIVERSAL_LABEL, length_bytes(size, octets), body, checksum_head))
    return data + checksum(data).to_bytes(2, "big")
