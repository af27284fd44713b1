"""Evenly spaced arrivals."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchkit.load.base import OpenArrival
from benchkit.units import PerSecond

_NS_PER_S = 1_000_000_000
# Beyond it a product of two int64 could wrap, so Python's own integers are used.
_SAFE_PRODUCT = 1 << 62


def message_count(rate_per_s: float, duration_s: float) -> int:
    """How many messages are due in `duration_s`: the nearest whole number, at least one."""
    return max(1, round(rate_per_s * duration_s))


def rate_label(rate_per_s: float) -> str:
    """60.0 -> '60-per-s', 1.5 -> '1.5-per-s': no trailing zeros, safe in a path."""
    text = f"{rate_per_s:.6f}".rstrip("0").rstrip(".")
    return f"{text if text != '0' else format(rate_per_s, '.3g')}-per-s"


class Constant(OpenArrival):
    """One message every 1/rate seconds, whatever became of earlier ones."""

    kind: ClassVar[str] = "constant"

    rate: PerSecond = Field(description="messages per second")

    @property
    def rate_per_s(self) -> float:
        """The option."""
        return self.rate

    def label(self) -> str:
        """`60-per-s`."""
        return rate_label(self.rate)

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:  # noqa: ARG002  (nothing is random)
        """Message i is due at i * 1e9 / rate, rounded half up: errors never add up. Shape (n,)."""
        rate = _rational(self.rate)
        count = message_count(self.rate, duration_s)
        whole, rest = divmod(_NS_PER_S * rate.denominator, rate.numerator)
        half, parts = rate.numerator // 2, rate.numerator
        if count * max(parts, whole) < _SAFE_PRODUCT:
            index = np.arange(count, dtype=np.int64)
            return index * whole + (index * rest + half) // parts
        return np.array([i * whole + (i * rest + half) // parts for i in range(count)], dtype=np.int64)


def _rational(rate_per_s: float) -> Fraction:
    """The short fraction that was meant (29.97, 1/60) where the float is within 1e-12 of it."""
    exact = Fraction(rate_per_s)
    short = exact.limit_denominator(1_000_000)
    return short if abs(short - exact) * 10**12 <= exact else exact
