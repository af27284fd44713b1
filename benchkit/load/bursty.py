"""Bursts by what is published of them: a rate, the spread of the gaps, the height of the peak."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from benchkit.load.base import OpenArrival
from benchkit.load.constant import rate_label
from benchkit.load.mmpp import Dwell, Mmpp
from benchkit.units import PerSecond

_SHORTEST_S = 0.001


class Bursty(OpenArrival):
    """Bursts of a chosen height, length and spread: the `mmpp` whose gaps have this cv and whose peak is so high.

    Of a two-state MMPP with rates a (burst) and b, left at rates u = 1 / burst and v, the gaps' squared CV is
    1 + 2 u v (a - b)^2 / ((u + v)^2 (a b + a v + b u)) (Fischer and Meier-Hellstern, "The MMPP cookbook",
    Performance Evaluation 18, 1993, 149; with b = 0 it is Kuczura's interrupted Poisson process, Bell System
    Technical Journal 52, 1973, 437). With the mean rate r, a = peak_to_mean * r and m = a * burst messages in a
    mean burst, that is solved for the share of the time in bursts,
    p = (cv^2 - 1) (1 + m) / (m (2 (peak_to_mean - 1)^2 / peak_to_mean + (cv^2 - 1) peak_to_mean)),
    and b = r (1 - peak_to_mean * p) / (1 - p). The rate between bursts would be negative beyond
    cv^2 = 1 + 2 m (1 - 1 / peak_to_mean)^2: such bursts are too short or too low for the cv, and refused.
    What holds for a block of `mmpp` holds here: its number of messages is exact.
    """

    kind: ClassVar[str] = "bursty"

    rate: PerSecond = Field(description="messages per second, on average and in each block")
    cv: float = Field(
        gt=1,
        le=100,
        allow_inf_nan=False,
        description="standard deviation of the gaps over their mean; 1 would be Poisson",
    )
    peak_to_mean: float = Field(
        gt=1, le=1000, allow_inf_nan=False, description="the rate within a burst over the mean rate"
    )
    burst: Dwell = Field(description="mean length of a burst, 1ms or more")

    @model_validator(mode="after")
    def _possible(self) -> Bursty:
        most = math.sqrt(1 + 2 * self._in_a_burst * (1 - 1 / self.peak_to_mean) ** 2)
        if self.cv > most:
            raise ValueError(
                f"bursts of {self.burst:g} s at {self.peak_to_mean:g} times the mean spread the gaps to a cv of "
                f"{math.floor(most * 1000) / 1000:g} at most; make them longer or higher, or lower the cv"
            )
        if self._quiet_s < _SHORTEST_S:
            raise ValueError(f"only {self._quiet_s:g} s would lie between bursts; make them longer")
        return self

    @property
    def rate_per_s(self) -> float:
        """The option."""
        return self.rate

    @property
    def _in_a_burst(self) -> float:
        """Messages, on average."""
        return self.rate * self.peak_to_mean * self.burst

    @property
    def burst_share(self) -> float:
        """Share of the time in bursts, in the long run."""
        excess, peak, many = self.cv**2 - 1, self.peak_to_mean, self._in_a_burst
        return min(1 / peak, excess * (1 + many) / (many * (2 * (peak - 1) ** 2 / peak + excess * peak)))

    @property
    def _quiet_s(self) -> float:
        return self.burst * (1 - self.burst_share) / self.burst_share

    @property
    def process(self) -> Mmpp:
        """The MMPP that has these figures."""
        share = self.burst_share
        return Mmpp(
            quiet_rate=max(0.0, self.rate * (1 - self.peak_to_mean * share) / (1 - share)),
            burst_rate=self.rate * self.peak_to_mean,
            quiet_dwell=self._quiet_s,
            burst_dwell=self.burst,
        )

    def label(self) -> str:
        """`bursty-20-per-s-cv-3-peak-4`."""
        return f"bursty-{rate_label(self.rate)}-cv-{self.cv:.6g}-peak-{self.peak_to_mean:.6g}"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds, ascending, exactly round(rate * duration_s) (at least 1), int64."""
        return self.process.offsets_ns(duration_s, seed)
