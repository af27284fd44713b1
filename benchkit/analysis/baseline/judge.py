"""Differences between a baseline and a run -> a word each.

A claim is a difference of logarithms, above 0 is worse, known only up to what the machine's own change may explain:
between `low` and `high` (equal where nothing is to be explained), each with the same standard error.

    FAIL          even the low end is above delta: Student's t, one-sided, Holm at 5% over all claims
    WARN          the 95% interval excludes 0 and the estimate is above delta
    INCONCLUSIVE  the interval reaches beyond delta and is wider than delta on both sides of its middle
    PASS          otherwise
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import scipy

from benchkit.analysis.baseline.figures import HIGHER_IS_BETTER
from benchkit.analysis.intervals import ALPHA, t_interval

Verdict = Literal["PASS", "WARN", "INCONCLUSIVE", "FAIL"]
ORDER: Final[Sequence[Verdict]] = ("PASS", "WARN", "INCONCLUSIVE", "FAIL")
_ENDLESS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Claim:
    """One metric of one cell, compared."""

    cell: str
    metric: str
    low: float
    high: float
    error: float
    """Standard error of the difference; 0 where both were computed."""
    freedom: float
    delta: float
    """As a share: 0.1 is 10% worse."""

    @property
    def limit(self) -> float:
        """`delta` as a difference of logarithms."""
        return -math.log1p(-self.delta) if self.metric in HIGHER_IS_BETTER else math.log1p(self.delta)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a claim."""

    claim: Claim
    verdict: Verdict
    interval: tuple[float, float]
    """95%, of logarithms."""
    p_value: float
    improved: bool


def judge(claims: Sequence[Claim]) -> list[Judged]:
    """In the order of the claims."""
    p_values = {at: _p_value(each) for at, each in enumerate(claims)}
    failed = _rejected(p_values)
    return [_judged(each, p_values[at], failed=at in failed) for at, each in enumerate(claims)]


def _judged(claim: Claim, p_value: float, *, failed: bool) -> Judged:
    freedom = min(claim.freedom, _ENDLESS)
    low = t_interval(claim.low, claim.error, freedom)[0]
    high = t_interval(claim.high, claim.error, freedom)[1]
    verdict: Verdict = "PASS"
    if failed:
        verdict = "FAIL"
    elif low > 0 and (claim.low + claim.high) / 2 > claim.limit:
        verdict = "WARN"
    elif high > claim.limit and (high - low) / 2 > claim.limit:
        verdict = "INCONCLUSIVE"
    return Judged(claim, verdict, (low, high), p_value, improved=high < -claim.limit)


def _p_value(claim: Claim) -> float:
    """Of "it is at most delta worse"."""
    above = claim.low - claim.limit
    if claim.error == 0:
        return 0.0 if above > 0 else 1.0
    return float(scipy.special.stdtr(min(claim.freedom, _ENDLESS), -above / claim.error))


def _rejected(p_values: Mapping[int, float]) -> set[int]:
    """Holm, Scandinavian Journal of Statistics 6 (1979) 65-70."""
    found: set[int] = set()
    for at, p_value in sorted(p_values.items(), key=lambda item: item[1]):
        if p_value > ALPHA / (len(p_values) - len(found)):
            break
        found.add(at)
    return found
