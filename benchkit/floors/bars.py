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
    obstacle: str = ""
    """What was found in the way where it is not met; shown then."""


ENGINE: Final = "engine"
"""The engine with `inproc` and the `null` stage."""
_SHM_COPY: Final = (
    "the floor writes one memory again and again, in the cache; the transport goes round its slots"
)
_REDIS_SMALL: Final = (
    "the transport also counts what waits in the broker and writes reply and removal one by one where the floor "
    "writes once; a system call each"
)
_HTTP_SMALL: Final = (
    "framing costs little (raw-http beside tcp-socket); a request is handed from uvicorn's thread to the worker's and "
    "back, two wake-ups under one interpreter lock: the server is about 2.2 of the ratio, the client 0.5"
)
_REDIS_RECIPE: Final = (
    "recipe and transport share the broker and its Unix socket, whose own copies are most of the transport's time "
    "already (redis-list beside resp-list)"
)
_HTTP_RECIPE: Final = (
    "where the kernel's own transfer is most of the time, no client can be 1.5 times as fast as a recipe that is "
    "less than 1.5 times its floor: compare both with tcp-socket"
)
_ENGINE_CPU: Final = (
    "both ends are threads of one process and take the interpreter lock from each other; pinned to one core they "
    "spend less"
)


def _at_both(
    of: str, against: str, small: float, large: float, obstacles: tuple[str, str]
) -> tuple[Bar, Bar]:
    return (
        Bar(of, against, SMALL_BYTES, small, obstacle=obstacles[0]),
        Bar(of, against, LARGE_BYTES, large, obstacle=obstacles[1]),
    )


def _faster(transport: str, recipe: str, large: float, obstacle: str) -> tuple[Bar, Bar]:
    """A recipe must take as long as the transport at least, and `large` times as long with large messages."""
    return (
        Bar(transport, recipe, SMALL_BYTES, 1.0, inverse=True),
        Bar(transport, recipe, LARGE_BYTES, 1 / large, inverse=True, obstacle=obstacle),
    )


BARS: Final = (
    Bar("shm", "memcpy-spin", SMALL_BYTES, 10.0, "us", "one_way"),
    Bar("shm", "memcpy-spin", LARGE_BYTES, 1.15, "x", "one_way", obstacle=_SHM_COPY),
    Bar("shm-loan", "shm-loan", LARGE_BYTES, 1.5, against_nbytes=SMALL_BYTES),
    *_at_both("shm", "iceoryx2", 1.0, 1.0, ("", "")),
    *_at_both("redis-list", "resp-list", 1.5, 1.3, (_REDIS_SMALL, "")),
    *_at_both("redis-stream", "resp-stream", 1.5, 1.3, (_REDIS_SMALL, "")),
    *_at_both("http", "tcp-socket", 4.0, 1.6, (_HTTP_SMALL, "")),
    *_faster("redis-list", "redis-py-list", 4.0, _REDIS_RECIPE),
    *_faster("http", "requests", 1.5, _HTTP_RECIPE),
    *_faster("http", "httpx", 1.5, _HTTP_RECIPE),
    Bar(ENGINE, "", SMALL_BYTES, 12.0, "us", "cpu", obstacle=_ENGINE_CPU),
)
