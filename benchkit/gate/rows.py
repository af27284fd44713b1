"""One row a cell and metric: what the pairs say of it, in a word."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from benchkit.gate.statistics import Floats, blocks_needed, estimate, holm, interval, p_beyond

Verdict = Literal["PASS", "WARN", "INCONCLUSIVE", "FAIL"]
ORDER: Final[Sequence[Verdict]] = ("PASS", "WARN", "INCONCLUSIVE", "FAIL")
"""From good to bad."""
Key = tuple[str, str]
"""Cell id and metric."""
HIGHER_IS_BETTER: Final = frozenset({"throughput"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What is compared: paired differences and how large an effect is still the same."""

    cell: str
    metric: str
    delta: float
    """As a share: 0.03 is 3% slower, or 3% lower where more is better."""
    differences: Floats
    """Shape (pairs,), of logarithms, above 0 is worse."""

    @property
    def key(self) -> Key:
        """Of the row."""
        return self.cell, self.metric

    @property
    def limit(self) -> float:
        """`delta` as a difference of logarithms."""
        return -math.log1p(-self.delta) if self.metric in HIGHER_IS_BETTER else math.log1p(self.delta)


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of a claim."""

    cell: str
    metric: str
    verdict: Verdict
    delta: float
    pairs: int
    estimate: float | None
    """Difference of logarithms, above 0 is worse; Hodges-Lehmann. None where nothing was measured."""
    interval: tuple[float, float] | None
    """At `level`; unbounded ends where there are too few pairs."""
    level: float
    p_value: float | None = None
    """Of "the effect is at most delta", one-sided, before Holm."""
    blocks_needed: int | None = None
    """About how many would decide, of an INCONCLUSIVE one."""
    improved: bool = False
    """Surely better, and by more than delta."""
    suspected: Row | None = None
    """What the first blocks said, where it looked worse and fresh ones were measured: all else is of those."""
    why: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def key(self) -> Key:
        """Cell and metric."""
        return self.cell, self.metric


def rows(claims: Sequence[Claim], level: float) -> list[Row]:
    """Of one look, in the order of the claims; `level` is shared by Holm among all that could fail."""
    p_values = {each.key: p_beyond(each.differences, each.limit) for each in claims if len(each.differences)}
    failed = holm(p_values, level)
    return [_row(each, level, p_values.get(each.key), failed=each.key in failed) for each in claims]


def _row(claim: Claim, level: float, p_value: float | None, *, failed: bool) -> Row:
    count = len(claim.differences)
    if not count or p_value is None:
        return Row(
            claim.cell, claim.metric, "INCONCLUSIVE", claim.delta, 0, None, None, level,
            why="no block has valid runs of both sides",
        )  # fmt: skip
    middle = estimate(claim.differences)
    low, high = interval(claim.differences, level)
    verdict, why = _said(claim, middle, low, high, failed=failed)
    needed = blocks_needed(claim.differences, level, claim.limit) if verdict == "INCONCLUSIVE" else None
    return Row(
        claim.cell, claim.metric, verdict, claim.delta, count, middle, (low, high), level, p_value, needed,
        improved=high < 0 and middle < -claim.limit, why=why,
    )  # fmt: skip


def _said(claim: Claim, middle: float, low: float, high: float, *, failed: bool) -> tuple[Verdict, str]:
    if failed:
        return "FAIL", ""
    if low > 0 and middle > claim.limit:
        return "WARN", "worse, but it may be by less than the limit"
    # That it is no worse than the limit is certain, however wide the interval is below.
    if high <= claim.limit:
        return "PASS", ""
    if (high - low) / 2 > claim.limit:
        return "INCONCLUSIVE", "the interval is wider than the limit"
    return "PASS", ""


def decided(found: Iterable[Row]) -> bool:
    """Nothing is left to find out: something fails, or everything is surely no worse than its limit."""
    each = list(found)
    if any(row.verdict == "FAIL" for row in each):
        return True
    return all(
        row.verdict == "PASS" and row.interval is not None and row.interval[1] <= _limit(row) for row in each
    )


def still_worse(row: Row) -> bool:
    """By more than its limit, as far as one can see."""
    return row.estimate is not None and row.estimate > _limit(row)


def _limit(row: Row) -> float:
    return Claim(row.cell, row.metric, row.delta, np.empty(0)).limit


def with_fresh(found: Sequence[Row], again: Mapping[Key, Row]) -> list[Row]:
    """What is said in the end: of fresh blocks where there are any, which no choice has made look worse.

    A suspicion that they do not bear out is a warning.
    """
    told = []
    for row in found:
        fresh = again.get(row.key)
        if fresh is None and row.verdict == "FAIL":
            told.append(replace(row, verdict="INCONCLUSIVE", why="it was not confirmed on fresh blocks"))
        elif fresh is None:
            told.append(row)
        elif row.verdict == "INCONCLUSIVE" or fresh.verdict in ("WARN", "FAIL"):
            told.append(replace(fresh, suspected=row))
        else:
            why = "fresh blocks do not bear out what the first said"
            told.append(replace(fresh, verdict="WARN", blocks_needed=None, suspected=row, why=why))
    return told


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Of all; PASS where there is none."""
    return max(verdicts, key=ORDER.index, default="PASS")


def ratio(difference: float, metric: str) -> float:
    """As the metric's own change: 0.1 is 10% more of it (latency: slower, throughput: faster)."""
    return math.expm1(-difference if metric in HIGHER_IS_BETTER else difference)
