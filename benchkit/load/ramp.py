"""Arrivals whose rate climbs or falls."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from benchkit.load.base import OpenArrival
from benchkit.load.constant import message_count, rate_label
from benchkit.units import PerSecondOrZero


class Ramp(OpenArrival):
    """The rate goes in a straight line from one value to another over each block, warm-up included.

    The number of messages is exact: the area under the line, rounded.
    """

    kind: ClassVar[str] = "ramp"

    from_rate: PerSecondOrZero = Field(description="messages per second when the block starts")
    to_rate: PerSecondOrZero = Field(description="messages per second when it ends")
    spacing: Literal["constant", "poisson"] = Field(
        "constant", description="evenly along the line, or at random with its rate"
    )

    @model_validator(mode="after")
    def _some(self) -> Ramp:
        if not self.from_rate and not self.to_rate:
            raise ValueError("a ramp from 0 to 0 has no message; set from_rate or to_rate above 0, say 10/s")
        return self

    @property
    def rate_per_s(self) -> float:
        """The mean over the block."""
        return (self.from_rate + self.to_rate) / 2

    def label(self) -> str:
        """`ramp-10-to-200-per-s`, with `-poisson` where it is."""
        start, end = (rate_label(rate) if rate else "0-per-s" for rate in (self.from_rate, self.to_rate))
        label = f"ramp-{start.removesuffix('-per-s')}-to-{end}"
        return label if self.spacing == "constant" else f"{label}-{self.spacing}"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds, ascending, exactly round(rate_per_s * duration_s) (at least 1), int64.

        Constant spacing: message i is due when the cumulative rate reaches i. Poisson spacing: the points of a
        Poisson process known to be n lie under the cumulative rate like n uniform ones (Cox and Lewis, The
        Statistical Analysis of Series of Events, 1966), so the number is exact and only their places are random.
        """
        count = message_count(self.rate_per_s, duration_s)
        if self.spacing == "constant":
            reached = np.arange(count, dtype=np.float64)
        else:
            reached = np.sort(np.random.default_rng(seed).random(count)) * (self.rate_per_s * duration_s)
        offsets: npt.NDArray[np.int64] = np.rint(self._when_s(reached, duration_s) * 1e9).astype(np.int64)
        return offsets

    def _when_s(self, reached: npt.NDArray[np.float64], duration_s: float) -> npt.NDArray[np.float64]:
        """When the cumulative rate f t + (g - f) t^2 / 2d reaches each value: the root that cancels no digits."""
        if not duration_s:
            return np.zeros_like(reached)
        slope = (self.to_rate - self.from_rate) / duration_s
        root = np.sqrt(np.maximum(0.0, self.from_rate**2 + 2 * slope * reached))
        below = np.maximum(self.from_rate + root, np.finfo(np.float64).tiny)
        when: npt.NDArray[np.float64] = np.minimum(2 * reached / below, duration_s)
        return when
