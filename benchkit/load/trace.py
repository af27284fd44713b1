"""Arrivals as they were recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from benchkit.load._trace.layout import Layout, Stamps
from benchkit.load._trace.read import read
from benchkit.load.base import OpenArrival
from benchkit.load.constant import message_count, rate_label
from benchkit.units import PerSecond

_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")


class Trace(OpenArrival):
    """Timestamps of a file (.csv, .jsonl, .npy), played at their own pace, at `speed`, or at a `rate`.

    Each block, warm-up included, plays a window of the file, drawn from the seed: blocks see different parts, cells of
    a round the same one. Stamps may count from any moment; one file may hold 10 million of them.

    `speed` (2 is twice as fast; 1 where nothing is said) keeps the trace's own busy and quiet hours: the window is a
    stretch of time, drawn evenly from all that fit, and has as many messages as it happens to have.
    `rate` keeps the shape of the gaps and gives each block exactly the asked number: the window is that many stamps in
    a row, stretched to fill the block, so bursts stay while differences between one hour and another go. It begins at
    any stamp with the same chance, hence more often in a busy hour.

    A trace that is shorter than the block starts at its first stamp and repeats, its mean gap between the last stamp
    and the first again.
    """

    kind: ClassVar[str] = "trace"

    path: Path = Field(description="a file of timestamps in ascending order: .csv, .jsonl or .npy")
    column: Annotated[int, Field(ge=1, strict=True)] | str | None = Field(
        None, description="of a CSV file: the column's name in the first row, or its number from 1"
    )
    key: str | None = Field(None, description="of a JSONL file: the timestamp's key in each line's object")
    unit: Literal["s", "ms", "us", "ns"] = Field("s", description="what the timestamps count")
    rate: PerSecond | None = Field(None, description="messages per second in each block; stretches the trace")
    speed: float | None = Field(
        None, ge=1e-6, le=1e6, description="how much faster than recorded; 1 where no rate is given"
    )

    @model_validator(mode="after")
    def _one_scale(self) -> Trace:
        if self.rate is not None and self.speed is not None:
            raise ValueError("a trace is scaled by rate or by speed, not by both; remove one")
        return self

    @property
    def rate_per_s(self) -> float | None:
        """The option; at a speed each window has a rate of its own."""
        return self.rate

    def label(self) -> str:
        """`trace-monday`, `trace-monday-x2` or `trace-monday-60-per-s`, from the file's name."""
        name = f"trace-{_UNSAFE.sub('-', self.path.stem).strip('-') or 'file'}"
        if self.rate is not None:
            return f"{name}-{rate_label(self.rate)}"
        return name if self.speed in (None, 1) else f"{name}-x{self.speed:.6g}"

    def check(self) -> None:
        """Raise UsageError with the first bad line where the file cannot be played."""
        self._stamps()

    def most_messages(self, duration_s: float) -> int:
        """The fullest window of this length."""
        if self.rate is not None:
            return message_count(self.rate, duration_s)
        stamps, window_ns = self._stamps(), self._window_ns(duration_s)
        whole, rest_ns = divmod(window_ns, _period_ns(stamps))
        fullest = np.searchsorted(stamps, stamps + rest_ns, side="right") - np.arange(len(stamps))
        return int(whole) * len(stamps) + (len(stamps) if whole else int(fullest.max()))

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds, ascending, from 0 to the block's end, int64; at least one.

        Exactly round(rate * duration_s) where a rate is given. Raises UsageError as `check` does.
        """
        stamps, generator = self._stamps(), np.random.default_rng(seed)
        if self.rate is not None:
            return _counted(stamps, message_count(self.rate, duration_s), duration_s * 1e9, generator)
        return _timed(stamps, self._window_ns(duration_s), self.speed or 1.0, generator)

    def _stamps(self) -> Stamps:
        return read(self.path, Layout(self.column, self.key, self.unit))

    def _window_ns(self, duration_s: float) -> int:
        """The block's length in the trace's own time."""
        return round(duration_s * 1e9 * (self.speed or 1.0))


def _period_ns(stamps: Stamps) -> float:
    """After what time the trace begins again: one mean gap after its last stamp."""
    return float(stamps[-1]) * len(stamps) / (len(stamps) - 1)


def _repeated(stamps: Stamps, count: int) -> npt.NDArray[np.float64]:
    """The first `count` moments of the trace played again and again."""
    times, place = np.divmod(np.arange(count), len(stamps))
    moments: npt.NDArray[np.float64] = stamps[place] + times * _period_ns(stamps)
    return moments


def _counted(stamps: Stamps, count: int, block_ns: float, generator: np.random.Generator) -> Stamps:
    """`count` moments in a row with the gap that follows, stretched to the block."""
    if count < len(stamps):
        start = int(generator.integers(len(stamps) - count))
        window = (stamps[start : start + count + 1] - stamps[start]).astype(np.float64)
    else:
        window = _repeated(stamps, count + 1)
    # Stamps of one moment have no shape to stretch: they stay one burst.
    stretch = block_ns / window[-1] if window[-1] else 0.0
    offsets: Stamps = np.minimum(np.rint(window[:-1] * stretch), int(block_ns)).astype(np.int64)
    return offsets


def _timed(stamps: Stamps, window_ns: int, speed: float, generator: np.random.Generator) -> Stamps:
    """What is due in a window of the trace's time; an empty one is moved on to the next stamp."""
    spare_ns = int(stamps[-1]) - window_ns
    if spare_ns >= 0:
        start_ns = int(generator.integers(spare_ns + 1))
        first = int(np.searchsorted(stamps, start_ns))
        if stamps[first] - start_ns > window_ns:
            start_ns = int(stamps[first])
        chosen = stamps[first : int(np.searchsorted(stamps, start_ns + window_ns, side="right"))] - start_ns
    else:
        most = (int(window_ns / _period_ns(stamps)) + 1) * len(stamps)
        chosen = np.rint(_repeated(stamps, most)).astype(np.int64)
        chosen = chosen[chosen <= window_ns]
    if speed == 1:
        return chosen.copy()
    return np.minimum(np.rint(chosen / speed), int(window_ns / speed)).astype(np.int64)
