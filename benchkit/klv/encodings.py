"""How the values of KLV items are written: numbers mapped to ranges, whole numbers, text, MISB ST 1201 floats.

An encoding decodes the bytes of one item (never none of them: an item without bytes is a value that is not known) and
encodes a value; both raise KlvError. NaN is what a mapped number is where the item says "out of range".
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache

from benchkit.errors import KlvError

Value = float | int | str | bytes | None
"""What an item tells; None where it has no bytes, which says that the value is not known."""


class Encoding(ABC):
    """How one kind of value is written."""

    __slots__ = ()

    @abstractmethod
    def decode(self, raw: bytes, at: int) -> Value:
        """The value of the bytes `raw`, which stand at `at` of their packet."""

    @abstractmethod
    def encode(self, value: Value) -> bytes:
        """The bytes of `value`; a TypeError of a value of another kind is the caller's to translate."""


@dataclass(frozen=True, slots=True)
class Raw(Encoding):
    """Bytes as they are: nested sets, packs, and every tag that the table does not name."""

    def decode(self, raw: bytes, at: int) -> Value:  # noqa: ARG002  (nothing can be wrong with them)
        """The bytes themselves."""
        return raw

    def encode(self, value: Value) -> bytes:
        """The bytes themselves."""
        if not isinstance(value, bytes):
            raise TypeError("bytes are needed")
        return value


@dataclass(frozen=True, slots=True)
class Text(Encoding):
    """UTF-8 of at most `most_bytes`."""

    most_bytes: int = 127

    def decode(self, raw: bytes, at: int) -> Value:
        """The text; longer ones are read too, since older editions did not limit them."""
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise KlvError("a text that is no UTF-8", position=at + error.start) from None

    def encode(self, value: Value) -> bytes:
        """UTF-8."""
        if not isinstance(value, str):
            raise TypeError("text is needed")
        try:
            raw = value.encode()
        except UnicodeEncodeError:
            raise KlvError(f"{value!r} cannot be written as UTF-8") from None
        if len(raw) > self.most_bytes:
            raise KlvError(f"a text of {len(raw)} bytes", remedy=f"at most {self.most_bytes} are allowed")
        return raw


@dataclass(frozen=True, slots=True)
class Whole(Encoding):
    """A whole number of `size` bytes, big-endian; 0 is as many as it needs, `most_bytes` at most."""

    size: int
    signed: bool = False
    most_bytes: int = 8

    def decode(self, raw: bytes, at: int) -> Value:
        """The number."""
        if len(raw) != self.size:
            _check_size(raw, at, self.size, self.most_bytes)
        return int.from_bytes(raw, "big", signed=self.signed)

    def encode(self, value: Value) -> bytes:
        """As many bytes as the table says, or as the number needs."""
        if type(value) is not int:
            raise TypeError("a whole number is needed")
        bits = (value if value >= 0 else ~value).bit_length() + self.signed
        size = self.size or max(1, (bits + 7) // 8)
        try:
            if size <= self.most_bytes:
                return value.to_bytes(size, "big", signed=self.signed)
        except OverflowError:
            pass
        raise KlvError(f"{value} does not fit", remedy=f"a number of {self.size or self.most_bytes} bytes")


@dataclass(frozen=True, slots=True)
class Mapped(Encoding):
    """A range mapped to whole numbers of `size` bytes from `least` to `most`: value = offset + scale * number."""

    size: int
    signed: bool
    offset: float
    scale: float
    least: int
    most: int

    def decode(self, raw: bytes, at: int) -> Value:
        """The value, NaN for the number that is kept for "out of range"."""
        if len(raw) != self.size:
            _check_size(raw, at, self.size, self.size)
        number = int.from_bytes(raw, "big", signed=self.signed)
        return self.offset + self.scale * number if number >= self.least else math.nan

    def encode(self, value: Value) -> bytes:
        """The nearest number of the range; NaN becomes the number that is kept for it."""
        if not isinstance(value, (int, float)):
            raise TypeError("a number is needed")
        if value != value:  # NaN
            if not self.signed:
                raise KlvError(
                    "NaN cannot be written", remedy="leave the tag out where its value is not known"
                )
            number = self.least - 1
        else:
            number = round((value - self.offset) / self.scale)
            if not self.least <= number <= self.most:
                low, high = (self.offset + self.scale * each for each in (self.least, self.most))
                raise KlvError(f"{value} is out of range", remedy=f"a number from {low:g} to {high:g}")
        return number.to_bytes(self.size, "big", signed=self.signed)


@dataclass(frozen=True, slots=True)
class Imapb(Encoding):
    """A number from `low` to `high` in `size` bytes (MISB ST 1201, IMAPB); any size up to eight is read."""

    low: float
    high: float
    size: int

    def decode(self, raw: bytes, at: int) -> Value:
        """The value; infinities as such, all other special bit patterns as NaN."""
        size = len(raw)
        if size > _IMAPB_MOST_BYTES:
            _check_size(raw, at, 0, _IMAPB_MOST_BYTES)
        number, bits = int.from_bytes(raw, "big"), 8 * size
        scale, offset = _imapb(self.low, self.high, size)
        if number <= 1 << bits - 1:  # the highest bit alone is the end of a range that is a power of two
            return min(max((number - offset) / scale + self.low, self.low), self.high)
        return _IMAPB_INFINITIES.get(number >> bits - 8 & 0xF8, math.nan)

    def encode(self, value: Value) -> bytes:
        """`size` bytes; the number below `value`, as ST 1201 truncates."""
        if not isinstance(value, (int, float)):
            raise TypeError("a number is needed")
        if not self.low <= value <= self.high:
            raise KlvError(f"{value} is out of range", remedy=f"a number from {self.low:g} to {self.high:g}")
        scale, offset = _imapb(self.low, self.high, self.size)
        return math.trunc(scale * (value - self.low) + offset).to_bytes(self.size, "big")


_IMAPB_MOST_BYTES = 8
_IMAPB_INFINITIES = {0xC8: math.inf, 0xE8: -math.inf}


@cache
def _imapb(low: float, high: float, size: int) -> tuple[float, float]:
    """Forward scale and zero offset of IMAPB (MISB ST 1201, section 7): zero is mapped without error."""
    scale = 2.0 ** (8 * size - 1 - math.ceil(math.log2(high - low)))
    return scale, scale * low - math.floor(scale * low) if low < 0 < high else 0.0


def _check_size(raw: bytes, at: int, size: int, most: int) -> None:
    """Raises KlvError unless `raw` has `size` bytes, or where `size` is 0 at most `most`."""
    if len(raw) != size if size else len(raw) > most:
        raise KlvError(
            f"a value of {len(raw)} bytes, not {size or f'at most {most}'}",
            position=at,
            remedy="the tag is used for something else than MISB ST 0601 says: read its bytes by `raw`",
        )


def mapped(size: int, low: float, high: float) -> Mapped:
    """`low` to `high` over all numbers of `size` bytes without sign."""
    most = (1 << 8 * size) - 1
    return Mapped(size, signed=False, offset=low, scale=(high - low) / most, least=0, most=most)


def symmetric(size: int, high: float) -> Mapped:
    """`-high` to `high` over the numbers of `size` bytes with sign; the least of them says "out of range"."""
    most = (1 << 8 * size - 1) - 1
    return Mapped(size, signed=True, offset=0.0, scale=high / most, least=-most, most=most)
