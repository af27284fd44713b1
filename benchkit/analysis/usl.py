"""The Universal Scalability Law: throughput of N workers, what they wait for each other, and how many are best.

::

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

lambda is the throughput of one worker, sigma the share of the work that only one may do at a time (contention),
kappa what keeping each pair of workers coherent costs; with kappa above 0 there is a best number of workers,
N* = sqrt((1 - sigma) / kappa) (Gunther, Guerrilla Capacity Planning, Springer 2007, chapters 4 and 5; "A general
theory of computational scalability based on rational functions", arXiv:0808.1431).

Fitting: N / X = d + b N + c N (N - 1) with lambda = 1 / (b + d), sigma = b / (b + d) and kappa = c / (b + d) is linear,
and the bounds 0 <= sigma <= 1 and kappa >= 0 are those of coefficients >= 0. So non-negative least squares of
relative errors has one optimum, which is found without a first guess.

Intervals: the blocks are drawn anew, 1000 times. What is drawn are the logarithms of all blocks about the mean of
their worker count, pooled over the worker counts, since three blocks of one have too few distinct resamples, and
scaled for the degrees of freedom that these means took (Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 6.3) and for Student's t in place of the normal. A searched capacity is drawn from within
its own interval. Where a coefficient is at its bound the others are drawn towards it, and so would their intervals
be: each draw is fitted without bounds, and the interval is cut at them. What the law itself does not fit is no
noise and not in them: `misfit` tells of it.

Coverage in percent, 150 simulated runs of 3 blocks with 3% of noise (tests/analysis/test_scaling.py tries fewer)::

    lambda  sigma  kappa    workers           lambda  sigma  kappa    N* told  and right
       100   0.05  0.004    1, 2, 4, 8, 12        93     97     95        94%        96%
       100   0.05  0.004    1, 2, 4               93     93     93         3%          -
      2000   0.3   0.01     1, 2, 4, 8, 12        93     96     93        99%        95%
        50   0.1   0.03     1, 2, 4               93     93     94        49%        96%
        10   0.02  0        1, 2, 4, 8, 12        92     95     97         3%      there is none
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy

from benchkit.analysis.intervals import Interval

LEAST_COUNTS: Final = 3
DRAWN: Final = 1000
_Z: Final = 1.959963984540054
_SEARCHED_Z: Final = 2.5758293035489
"""Both ends of a searched capacity are known with 99% certainty."""
_SEED: Final = 20070101
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """What so many workers reached."""

    workers: int
    per_s: tuple[float, ...]
    """By block, above 0; of a searched capacity that one."""
    interval: Interval | None = None
    """Of a searched capacity."""

    @property
    def mean_per_s(self) -> float:
        """Geometric mean."""
        return math.exp(sum(map(math.log, self.per_s)) / len(self.per_s))


@dataclass(frozen=True, slots=True)
class Law:
    """One set of coefficients."""

    lambda_per_s: float
    sigma: float
    kappa: float

    def per_s(self, workers: float) -> float:
        """The throughput of so many workers."""
        waits = self.sigma * (workers - 1) + self.kappa * workers * (workers - 1)
        return self.lambda_per_s * workers / (1 + waits)

    @property
    def best(self) -> float:
        """N*, at least 1; infinite where more workers always help."""
        return max(1.0, math.sqrt((1 - self.sigma) / self.kappa)) if self.kappa > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Curve:
    """The law at so many workers, and its 95% band where there is one."""

    workers: float
    per_s: float
    band: Interval | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """The law of some points; an interval is None where no worker count has two blocks."""

    law: Law
    lambda_ci: Interval | None
    sigma_ci: Interval | None
    kappa_ci: Interval | None
    best_ci: Interval | None
    """Of N*; None also where it is not bounded."""
    misfit: float
    """How far the farthest point is from the law, as a share."""
    superlinear: bool
    """Throughput surely grew faster than the number of workers, which the law rules out: sigma has no interval."""
    curve: tuple[Curve, ...]


def fit(points: Sequence[Point], farthest: float | None = None) -> Fitted:
    """The law of at least three worker counts, and its curve up to `farthest` (else twice the most) workers.

    Raises ValueError for fewer, and for throughputs that say nothing of one worker.
    """
    workers = np.array([point.workers for point in points], np.float64)
    if len(set(workers.tolist())) < LEAST_COUNTS:
        raise ValueError(f"the law has three coefficients: {LEAST_COUNTS} worker counts are needed")
    reached = np.array([point.mean_per_s for point in points])
    law = _law(workers, reached)
    if law is None:
        raise ValueError("throughput falls faster than the law can")
    drawn = _drawn(points, reached)
    one, sigma, kappa = _unbounded(workers, drawn)
    superlinear = (ends := _percentiles(sigma)) is not None and ends[1] < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        best = _percentiles(np.where(kappa > 0, np.sqrt(np.clip(1 - sigma, 0, None) / kappa), math.inf))
    resampled = [found for row in drawn if (found := _law(workers, row)) is not None]
    at = np.linspace(1.0, farthest or 2 * float(workers.max()), 33)
    curve = zip(at.tolist(), _per_s([law], at)[0].tolist(), _bands(resampled, at), strict=True)
    return Fitted(
        law,
        _holding(_percentiles(one), law.lambda_per_s),
        None if superlinear else _holding(_percentiles(np.clip(sigma, 0.0, 1.0)), law.sigma),
        _holding(_percentiles(np.clip(kappa, 0.0, None)), law.kappa),
        (max(1.0, best[0]), max(1.0, best[1]))
        if best and math.isfinite(best[1]) and math.isfinite(law.best)
        else None,
        float(np.max(np.abs(reached / _per_s([law], workers)[0] - 1))),
        superlinear,
        tuple(Curve(*each) for each in curve),
    )


def _law(workers: Floats, per_s: Floats) -> Law | None:
    from scipy.optimize import nnls  # a run without three worker counts needs none

    terms = np.column_stack([np.ones_like(workers), workers, workers * (workers - 1)])
    (serial, parallel, coherent), _ = nnls(terms * (per_s / workers)[:, None], np.ones_like(workers))
    one = serial + parallel
    # d is the part that is shared out, b the part that is not.
    return Law(float(1 / one), float(parallel / one), float(coherent / one)) if one > 0 else None


def _drawn(points: Sequence[Point], reached: Floats) -> Floats:
    """Throughputs as they might have been, shape (DRAWN, points); no row where nothing is known of their noise."""
    logs = [np.log(point.per_s) for point in points]
    freedom = sum(len(each) - 1 for each in logs)
    if not freedom and any(point.interval is None for point in points):
        return np.empty((0, len(points)))
    rng = np.random.default_rng(_SEED)
    apart = np.concatenate(
        [(each - each.mean()) * math.sqrt(len(each) / (len(each) - 1)) for each in logs if len(each) > 1]
        or [np.zeros(1)]
    )
    if freedom:
        apart = apart * float(scipy.special.stdtrit(freedom, 0.975)) / _Z
    columns = []
    for point, each in zip(points, logs, strict=True):
        if point.interval is not None:
            low, high = map(math.log, point.interval)
            columns.append(rng.normal(0.0, (high - low) / 2 / _SEARCHED_Z, DRAWN))
        else:
            columns.append(rng.choice(apart, (DRAWN, len(each))).mean(axis=1))
    drawn: Floats = reached * np.exp(np.column_stack(columns))
    return drawn


def _unbounded(workers: Floats, drawn: Floats) -> tuple[Floats, Floats, Floats]:
    """lambda, sigma and kappa of each draw by least squares without bounds, shape (draws,) each."""
    terms = np.column_stack([np.ones_like(workers), workers, workers * (workers - 1)])
    weighted = terms[None] * (drawn / workers)[:, :, None]
    turned = weighted.transpose(0, 2, 1)
    serial, parallel, coherent = np.linalg.solve(turned @ weighted, turned.sum(axis=2)[:, :, None])[:, :, 0].T
    one = np.maximum(serial + parallel, np.finfo(np.float64).tiny)
    return 1 / one, parallel / one, coherent / one


def _percentiles(values: Floats) -> Interval | None:
    """The 2.5% and the 97.5% of the values, both among them."""
    if not len(values):
        return None
    ordered, last = np.sort(values), len(values) - 1
    return float(ordered[math.floor(0.025 * last)]), float(ordered[math.ceil(0.975 * last)])


def _holding(interval: Interval | None, value: float) -> Interval | None:
    return None if interval is None else (min(interval[0], value), max(interval[1], value))


def _bands(laws: Sequence[Law], at: Floats) -> Sequence[Interval | None]:
    if not laws:
        return [None] * len(at)
    low, high = np.percentile(_per_s(laws, at), [2.5, 97.5], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _per_s(laws: Sequence[Law], workers: Floats) -> Floats:
    """The throughput of so many workers by each law, shape (laws, workers)."""
    one, sigma, kappa = np.array([(each.lambda_per_s, each.sigma, each.kappa) for each in laws]).T[:, :, None]
    found: Floats = one * workers / (1 + sigma * (workers - 1) + kappa * workers * (workers - 1))
    return found
