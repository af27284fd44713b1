"""Arrivals between clockwork and bursts: renewal gaps with a chosen coefficient of variation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchkit.load.base import OpenArrival
from benchkit.load.constant import message_count, rate_label
from benchkit.units import PerSecond


class Gamma(OpenArrival):
    """Gamma-distributed gaps of a chosen spread: cv below 1 is smoother than Poisson, above 1 burstier.

    The block has exactly the asked number n of messages: it is a circle of n gaps, scaled to fill it and cut
    at a random moment, so that no part of it is busier on average than another. Gamma variables divided by
    their sum do not depend on the sum (Lukacs, Annals of Mathematical Statistics 26, 1955, 319), hence this is
    exactly n gamma gaps that are known to add up to the block. What that costs is spread: the CV of the
    circle's gaps is cv * sqrt((n - 1) / (n + cv^2)), close to `cv` where n is much larger than cv^2.
    """

    kind: ClassVar[str] = "gamma"

    rate: PerSecond = Field(description="messages per second, on average and in each block")
    cv: float = Field(
        ge=0.01,
        le=100,
        allow_inf_nan=False,
        description="standard deviation of the gaps over their mean; 1 is Poisson",
    )

    @property
    def rate_per_s(self) -> float:
        """The option."""
        return self.rate

    def label(self) -> str:
        """`gamma-60-per-s-cv-2.5`."""
        return f"gamma-{rate_label(self.rate)}-cv-{self.cv:.6g}"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds, ascending, exactly round(rate * duration_s) of them (at least 1), int64."""
        generator = np.random.default_rng(seed)
        ends = np.cumsum(_shares(message_count(self.rate, duration_s), self.cv**-2, generator))
        moments = np.sort((ends + generator.random()) % 1.0)
        offsets: npt.NDArray[np.int64] = np.rint(moments * (duration_s * 1e9)).astype(np.int64)
        return offsets


def _shares(count: int, shape: float, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Gamma variables of this shape over their sum, (count,).

    In logarithms, because those of a small shape (a high CV) are mostly below the smallest float:
    G(shape) = G(shape + 1) * U^(1 / shape) (Marsaglia and Tsang, ACM TOMS 26, 2000, 363).
    """
    logs = np.log(generator.standard_gamma(shape + 1, count)) - generator.standard_exponential(count) / shape
    sizes = np.exp(logs - logs.max())
    shares: npt.NDArray[np.float64] = sizes / sizes.sum()
    return shares
