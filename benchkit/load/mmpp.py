"""Arrivals in bursts: a Poisson process whose rate switches between two values."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from benchkit.load.base import OpenArrival
from benchkit.load.constant import message_count, rate_label
from benchkit.units import PerSecond, PerSecondOrZero, Seconds

Floats = npt.NDArray[np.float64]
Dwell = Annotated[Seconds, Field(ge=0.001)]

_CANDIDATES = 256
_MOST_DRAWN = 1 << 20


class Mmpp(OpenArrival):
    """Two-state Markov-modulated Poisson process: quiet and burst, each for exponential times.

    Its rate is the stationary mean. The block has exactly the asked number n of messages and keeps its
    bursts: it is the process that is known to have n arrivals. Of many courses of the states, each begun in
    the stationary distribution, one is drawn with the chance that it gives n arrivals (sampling importance
    resampling: Rubin, Bayesian Statistics 3, 1988, 395); under it the n moments are placed by its rate.
    The course is turned like a circle by a random part of the block, because a known number of arrivals
    draws bursts to the block's ends, and a warm-up that is cut off would then take more than its share.
    What that changes: the rate within a state is the one asked, up to the scatter of n, but every block spends
    about the stationary share of its time in bursts, also one that is shorter than a dwell, where the process
    left to itself would be all quiet or all burst. Use blocks of several dwells to see bursts of full length.
    """

    kind: ClassVar[str] = "mmpp"

    quiet_rate: PerSecondOrZero = Field(description="messages per second between bursts; 0 is silence")
    burst_rate: PerSecond = Field(description="messages per second in a burst")
    quiet_dwell: Dwell = Field(description="mean time between bursts, 1ms or more")
    burst_dwell: Dwell = Field(description="mean length of a burst, 1ms or more")

    @model_validator(mode="after")
    def _ordered(self) -> Mmpp:
        if self.burst_rate < self.quiet_rate:
            raise ValueError(
                f"a burst of {self.burst_rate:g}/s is slower than the {self.quiet_rate:g}/s between bursts; swap them"
            )
        return self

    @property
    def burst_share(self) -> float:
        """Share of the time in bursts, in the long run."""
        return self.burst_dwell / (self.quiet_dwell + self.burst_dwell)

    @property
    def rate_per_s(self) -> float:
        """The stationary mean."""
        return self.quiet_rate + (self.burst_rate - self.quiet_rate) * self.burst_share

    def label(self) -> str:
        """`mmpp-35-per-s-burst-200-for-300ms`: the mean rate, the burst's rate and mean length."""
        burst = rate_label(self.burst_rate).removesuffix("-per-s")
        return f"mmpp-{rate_label(self.rate_per_s)}-burst-{burst}-for-{self.burst_dwell * 1e3:.6g}ms"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds, ascending, exactly round(rate_per_s * duration_s) (at least 1), int64."""
        generator = np.random.default_rng(seed)
        count = message_count(self.rate_per_s, duration_s)
        course = self.course(duration_s, count, generator)
        rates = np.where(course.burst, self.burst_rate, self.quiet_rate)
        reached = np.concatenate(([0.0], np.cumsum(rates * np.diff(course.edges_s))))
        uniform = np.sort(generator.random(count)) * reached[-1]
        # A silent stretch reaches nothing: taking it out leaves strictly rising values to interpolate.
        rising = np.flatnonzero(np.diff(reached) > 0)
        if not len(rising):
            return np.zeros(count, np.int64)
        stretch = rising[np.searchsorted(reached[rising + 1], uniform, side="left").clip(0, len(rising) - 1)]
        moments = course.edges_s[stretch] + (uniform - reached[stretch]) / rates[stretch]
        offsets: npt.NDArray[np.int64] = np.rint(np.minimum(moments, duration_s) * 1e9).astype(np.int64)
        return offsets

    def course(self, duration_s: float, count: int, generator: np.random.Generator) -> Course:
        """The states of a block that is known to have `count` messages."""
        expected = 2 * duration_s / (self.quiet_dwell + self.burst_dwell)
        length = int(expected + 12 * expected**0.5) + 16
        courses = max(1, min(_CANDIDATES, _MOST_DRAWN // length))
        first = generator.random(courses) < self.burst_share
        burst = first[:, None] ^ (np.arange(length) % 2 == 1)
        dwells = generator.standard_exponential((courses, length))
        dwells *= np.where(burst, self.burst_dwell, self.quiet_dwell)
        # Not reaching the end takes an excess of eight standard deviations; the last dwell then lasts.
        dwells[:, -1] = np.maximum(dwells[:, -1], duration_s)
        edges = np.minimum(np.cumsum(dwells, axis=1), duration_s)
        in_burst = (np.diff(edges, axis=1, prepend=0.0) * burst).sum(axis=1)
        chosen = _drawn(
            self.quiet_rate * duration_s + (self.burst_rate - self.quiet_rate) * in_burst, count, generator
        )
        if chosen is None:
            # Silence, and no burst in any course: a block that has a message at all is in one.
            return Course(np.array([0.0, duration_s]), np.array([True]))
        last = int(np.searchsorted(edges[chosen], duration_s)) + 1
        course = Course(np.concatenate(([0.0], edges[chosen, :last])), burst[chosen, :last])
        return course.turned(generator.random() * duration_s)


class Course(NamedTuple):
    """What the states were: stretch i lasts from edges_s[i] to edges_s[i + 1], the block from 0 to the last."""

    edges_s: Floats
    """Shape (k + 1,), ascending."""
    burst: npt.NDArray[np.bool_]
    """Shape (k,)."""

    def turned(self, by_s: float) -> Course:
        """The block as a circle, begun elsewhere: what was at its end is then before what was at its start."""
        end_s = self.edges_s[-1]
        cut_s = end_s - by_s
        first = int(np.searchsorted(self.edges_s[1:-1], cut_s, side="right"))
        late, early = self.edges_s[first + 1 :] - cut_s, self.edges_s[1 : first + 1] + by_s
        edges = np.concatenate(([0.0], late, np.minimum(early, end_s), [end_s]))
        return Course(edges, np.concatenate((self.burst[first:], self.burst[: first + 1])))


def _drawn(expected: Floats, count: int, generator: np.random.Generator) -> int | None:
    """An index with the chance that a Poisson number of each mean is `count`; None where no mean is above 0."""
    possible = expected > 0
    if not possible.any():
        return None
    logs = np.full(len(expected), -np.inf)
    logs[possible] = count * np.log(expected[possible]) - expected[possible]
    chances = np.cumsum(np.exp(logs - logs.max()))
    return int(np.searchsorted(chances, generator.random() * chances[-1], side="right"))
