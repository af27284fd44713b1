"""Sizes, durations and rates as people write them: `6MiB`, `250ms`, `30/s`.

Each type accepts a number or a text with a unit and holds a plain number: bytes, seconds, per second.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, WithJsonSchema

_NUMBER = r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*"
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
}
_DURATION = re.compile(_NUMBER + r"(ns|us|\u00b5s|\u03bcs|ms|s|min|h)\s*")
_RATE = re.compile(_NUMBER + r"/\s*(ms|s|min|h)\s*")
_BITS = re.compile(_NUMBER + r"([kMG]?)bit")
_BIT_UNITS = ("", "k", "M", "G")
_SIZE = re.compile(r"\s*([0-9]{1,5})\s*[xX]\s*([0-9]{1,5})\s*")
_BYTES: TypeAdapter[ByteSize] = TypeAdapter(ByteSize)


def parse_seconds(value: Any) -> Any:
    """`250ms` -> 0.25; numbers pass as seconds; anything else raises ValueError."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if not match:
            raise ValueError("not a duration; write for example 250ms, 2s or 1min")
        return float(match[1]) * _SECONDS[match[2]]
    return _no_bool(value, "a duration; write for example 250ms, 2s or 1min")


def parse_per_second(value: Any) -> Any:
    """`30/s` -> 30.0; `90/min` -> 1.5; numbers pass as per second; else ValueError."""
    if isinstance(value, str):
        match = _RATE.fullmatch(value)
        if not match:
            raise ValueError("not a rate; write for example 30/s or 90/min")
        return float(match[1]) / _SECONDS[match[2]]
    return _no_bool(value, "a rate; write for example 30/s or 90/min")


def parse_bytes_per_s(value: Any) -> Any:
    """`2MB/s` -> 2e6; `16Mbit/s` -> 2e6; numbers pass as bytes per second; else ValueError."""
    if not isinstance(value, str):
        return _no_bool(value, "a rate of bytes; write for example 2MB/s or 16Mbit/s")
    amount, _, unit = value.strip().rpartition("/")
    bits = _BITS.fullmatch(amount)
    try:
        found = float(bits[1]) * 1000 ** _BIT_UNITS.index(bits[2]) / 8 if bits else float(parse_bytes(amount))
    except ValueError:
        found = -1.0
    if found < 0 or unit.strip() != "s":
        raise ValueError("not a rate of bytes; write for example 2MB/s or 16Mbit/s")
    return found


def parse_bytes(value: Any) -> Any:
    """`6MiB` -> 6291456; whole numbers pass as bytes; else ValueError."""
    if isinstance(value, str):
        try:
            return int(_BYTES.validate_python(value))
        except ValueError:
            raise ValueError("not a size; write for example 512KiB or 6MiB") from None
    return _no_bool(value, "a size; write for example 512KiB or 6MiB")


def parse_share(value: Any) -> Any:
    """`3%` -> 0.03; numbers pass; a percentage that is none raises ValueError."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            raise ValueError("not a share; write for example 3% or 0.03") from None
    return value


def parse_frame_size(value: Any) -> Any:
    """`1920x1080` -> (1920, 1080), width first; pairs pass."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if not match:
            raise ValueError("not a frame size; write width x height, for example 1920x1080")
        return int(match[1]), int(match[2])
    return value


def _no_bool(value: Any, wanted: str) -> Any:
    """YAML's yes, no, on and off are truth values, and Python counts them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not {wanted}")  # noqa: TRY004  (pydantic reports ValueError)
    return value


def _schema(example: str, kind: str = "number") -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": kind}, {"type": "string"}], "examples": [example]})


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(ge=0, allow_inf_nan=False), _schema("250ms")]
PerSecond = Annotated[
    float, BeforeValidator(parse_per_second), Field(gt=0, allow_inf_nan=False), _schema("30/s")
]
PerSecondOrZero = Annotated[
    float, BeforeValidator(parse_per_second), Field(ge=0, allow_inf_nan=False), _schema("30/s")
]
BytesPerSecond = Annotated[
    float, BeforeValidator(parse_bytes_per_s), Field(ge=0, allow_inf_nan=False), _schema("2MB/s")
]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0), _schema("6MiB", "integer")]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["3%"]}),
]
FrameSize = Annotated[
    tuple[Annotated[int, Field(ge=2, le=16384)], Annotated[int, Field(ge=2, le=16384)]],
    BeforeValidator(parse_frame_size),
    WithJsonSchema({"type": "string", "examples": ["1920x1080"]}),
]


def show_bytes(count: float) -> str:
    """6220800 -> '6.2 MB' (decimal, as networks and disks count)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def show_us(microseconds: float | None) -> str:
    """0.7 -> '0.7 us', 4100 -> '4.1 ms', 2.5e6 -> '2.5 s'; None -> '-'."""
    if microseconds is None or math.isnan(microseconds):
        return "-"
    for unit, scale in (("us", 1.0), ("ms", 1e3), ("s", 1e6)):
        value = microseconds / scale
        if abs(value) < 999.5 or unit == "s":
            return f"{value:.0f} {unit}" if abs(value) >= 99.95 else f"{value:.1f} {unit}"
    raise AssertionError("unreachable")


def show_seconds(seconds: float) -> str:
    """45 -> '45 s', 90 -> '1.5 min', 7200 -> '2 h'."""
    for unit, scale in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        value = seconds / scale
        if value < 60 or unit == "h":
            return f"{value:.3g} {unit}"
    raise AssertionError("unreachable")
