"""Runs side by side: the same cells of several runs, the first run being the base.

Runs are not paired (nothing of one ran next to the other), so the ratio of block medians is judged by
Welch's t on their logarithms, which needs at least two blocks a side; Holm's method holds over all claims
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchkit.analysis.intervals import Interval, exp, holm_levels, t_interval, t_p_value, welch

Change = Literal["faster", "slower", "no difference seen", "not decidable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell in a later run against the base."""

    cell: str
    run: int
    """Place of the later run among those compared, from 1."""
    base_us: float | None
    p50_us: float | None
    ratio: float | None
    """Later over base; below 1 is faster."""
    interval: Interval | None
    change: Change
    why: str = ""
    """Why it is not decidable."""


def compare(documents: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Differences of all cells that the base and a later run share, in the base's order."""
    base, *later = documents
    found = []
    for number, document in enumerate(later, 1):
        theirs = {cell["id"]: cell for cell in document["cells"]}
        found += [(number, cell, theirs[cell["id"]]) for cell in base["cells"] if cell["id"] in theirs]
    tests = {(number, own["id"]): _test(own, other) for number, own, other in found if not _why(own, other)}
    levels = holm_levels({claim: t_p_value(*test) for claim, test in tests.items()})
    return [
        _difference(number, own, other, tests.get((number, own["id"])), levels.get((number, own["id"]), 1.0))
        for number, own, other in found
    ]


def _logs(cell: Mapping[str, Any]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.log([max(1e-3, block["p50_us"]) for block in cell.get("blocks_detail", [])])


def _test(base: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, float, float]:
    return welch(_logs(other), _logs(base))


def _why(base: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    for name, cell in (("base", base), ("later run", other)):
        if not cell["validity"]["valid"]:
            return f"not valid in the {name}"
        if len(cell.get("blocks_detail", [])) < 2:
            return f"fewer than two blocks in the {name}"
    return ""


def _difference(
    number: int,
    base: Mapping[str, Any],
    other: Mapping[str, Any],
    test: tuple[float, float, float] | None,
    level: float,
) -> Difference:
    own, later = base["latency_us"]["p50"], other["latency_us"]["p50"]
    ratio = later / own if own and later is not None else None
    if test is None or ratio is None:
        return Difference(base["id"], number, own, later, ratio, None, "not decidable", _why(base, other))
    low, high = t_interval(*test, level)
    interval = min(exp(low), ratio), max(exp(high), ratio)
    change: Change = "slower" if interval[0] > 1 else "faster" if interval[1] < 1 else "no difference seen"
    return Difference(base["id"], number, own, later, ratio, interval, change)
