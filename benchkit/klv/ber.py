"""Lengths and tags of KLV: BER short and long form, BER-OID (SMPTE ST 336, ISO/IEC 8825-1).

Both readers take where to read and where the surroundings end, and give the number and what follows it. Long forms
that are longer than needed are read, since encoders in the field write them; who must write a packet byte for byte
keeps the bytes (`packet.Packet` does).
"""

from __future__ import annotations

from benchkit.errors import KlvError

MAX_LENGTH_BYTES = 8
"""Octets after the first of a long form; no packet needs more than four."""
MAX_TAG_BYTES = 4
"""Octets of a tag: 2^28 tags, of which MISB ST 0601 names fewer than 150."""

_LONG = 0x80
_LOW = 0x7F
_REMEDY = "the bytes were damaged on the way, or are no KLV"


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The length at `at`, and the position after it; raises KlvError if it is none or `end` comes first."""
    if at >= end:
        raise KlvError("the bytes end before a length", position=at, remedy=_REMEDY)
    first = data[at]
    if first < _LONG:
        return first, at + 1
    octets = first & _LOW
    if octets == 0:
        raise KlvError(
            "a length of the indefinite form, which KLV does not have", position=at, remedy=_REMEDY
        )
    if octets > MAX_LENGTH_BYTES:
        raise KlvError(
            f"a length of {octets} octets", position=at, remedy=f"at most {MAX_LENGTH_BYTES} are read"
        )
    after = at + 1 + octets
    if after > end:
        raise KlvError(f"the bytes end within a length of {octets} octets", position=at, remedy=_REMEDY)
    return int.from_bytes(data[at + 1 : after], "big"), after


def read_tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The tag at `at`, and the position after it; raises KlvError if it is none or `end` comes first."""
    tag, start = 0, at
    while at < end:
        octet = data[at]
        if octet == _LONG and at == start:
            raise KlvError(
                "a tag with a leading zero octet, which BER-OID forbids", position=at, remedy=_REMEDY
            )
        tag = tag << 7 | octet & _LOW
        at += 1
        if octet < _LONG:
            return tag, at
        if at - start == MAX_TAG_BYTES:
            raise KlvError(f"a tag of more than {MAX_TAG_BYTES} octets", position=start, remedy=_REMEDY)
    raise KlvError("the bytes end within a tag", position=start, remedy=_REMEDY)


def length_bytes(length: int, octets: int = 0) -> bytes:
    """`length` in `octets` octets, the first included; in as few as it needs where these do not do, or are 0."""
    if length < _LONG and octets < 2:
        return bytes((length,))
    needed = max((length.bit_length() + 7) // 8, octets - 1)
    return bytes((_LONG | needed,)) + length.to_bytes(needed, "big")


def tag_bytes(tag: int) -> bytes:
    """`tag` in as few octets as possible; raises KlvError for one that no reader takes."""
    if type(tag) is not int or not 0 <= tag < 1 << 7 * MAX_TAG_BYTES:
        raise KlvError(
            f"{tag!r} is no tag", remedy=f"a whole number from 0 to {(1 << 7 * MAX_TAG_BYTES) - 1}"
        )
    octets = [tag & _LOW]
    while tag := tag >> 7:
        octets.append(tag & _LOW | _LONG)
    return bytes(reversed(octets))
