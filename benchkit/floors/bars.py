"""What must be reached: the upper end of the 95% interval against these limits, on two cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SMALL_BYTES: Final = 64
LARGE_BYTES: Final = 6_220_800
"""One 1080p RGB frame."""
SIZES: Final = (SMALL_BYTES, 64 << 10, 640 * 360 * 3, LARGE_BYTES)

Figure = Literal["exchange", "one_way", "cpu"]


@dataclass(frozen=True, slots=True)
class Bar:
    """`of` is the one that must do well; `most` is a multiple of `against`, or so many microseconds."""

    of: str
    against: str
    nbytes: int
    most: float
    unit: Literal["x", "us"] = "x"
    figure: Figure = "exchange"
    against_nbytes: int = 0
    """Where it is not `nbytes`."""
    inverse: bool = False
    """Shown as `against` over `of`: how many times as long the recipe takes, where at least 1/`most` is wanted."""


def _faster(transport: str, recipe: str, small: float, large: float) -> tuple[Bar, Bar]:
    """A recipe must take at least so many times as long as the transport."""
    return (
        Bar(transport, recipe, SMALL_BYTES, 1 / small, inverse=True),
        Bar(transport, recipe, LARGE_BYTES, 1 / large, inverse=True),
    )


ENGINE: Final = "engine"
"""The engine with `inproc` and the `null` stage."""

BARS: Final = (
    Bar("shm", "memcpy-spin", SMALL_BYTES, 10.0, "us", "one_way"),
    Bar("shm", "memcpy-spin", LARGE_BYTES, 1.15, "x", "one_way"),
    Bar("shm-loan", "shm-loan", LARGE_BYTES, 1.5, against_nbytes=SMALL_BYTES),
    Bar("shm", "iceoryx2", SMALL_BYTES, 1.0),
    Bar("shm", "iceoryx2", LARGE_BYTES, 1.0),
    Bar("redis-list", "resp-list", SMALL_BYTES, 1.5),
    Bar("redis-list", "resp-list", LARGE_BYTES, 1.3),
    Bar("redis-stream", "resp-stream", SMALL_BYTES, 1.5),
    Bar("redis-stream", "resp-stream", LARGE_BYTES, 1.3),
    Bar("http", "tcp-socket", SMALL_BYTES, 4.0),
    Bar("http", "tcp-socket", LARGE_BYTES, 1.6),
    *_faster("redis-list", "redis-py-list", 1.0, 4.0),
    *_faster("http", "requests", 1.0, 1.5),
    *_faster("http", "httpx", 1.0, 1.5),
    Bar(ENGINE, "", SMALL_BYTES, 12.0, "us", "cpu"),
)
