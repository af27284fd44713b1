"""Arrivals of many independent users."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchkit.load.base import OpenArrival
from benchkit.load.constant import message_count, rate_label
from benchkit.units import PerSecond


class Poisson(OpenArrival):
    """Exponential gaps between messages, scaled so that the asked number comes in the asked time."""

    kind: ClassVar[str] = "poisson"

    rate: PerSecond = Field(description="messages per second, on average and in each block")

    @property
    def rate_per_s(self) -> float:
        """The option."""
        return self.rate

    def label(self) -> str:
        """`poisson-60-per-s`."""
        return f"poisson-{rate_label(self.rate)}"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments of a Poisson process that is known to have n arrivals in the block, shape (n,).

        n+1 exponential gaps scaled to fill the block give exactly that process: given their number, the
        moments are n uniform ones in order (Devroye, Non-Uniform Random Variate Generation, 1986, V.3.1).
        So a block offers what was asked and only its burstiness is random.
        """
        count = message_count(self.rate, duration_s)
        moments = np.cumsum(np.random.default_rng(seed).standard_exponential(count + 1))
        offsets: npt.NDArray[np.int64] = np.rint(moments[:-1] / moments[-1] * (duration_s * 1e9)).astype(
            np.int64
        )
        return offsets
