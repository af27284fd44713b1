"""How throughput grows with the number of workers: the cells of a run that differ in nothing else, and their law.

What a worker count can do is seen where the load is more than it can do: in a closed loop, in the capacity or the
drain of a search, and in an open loop that was not kept up with. Where it was kept up with, throughput is that of
the load; such a cell is left out, and said to be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from benchkit.analysis import usl
from benchkit.analysis.analysed import Analysed
from benchkit.analysis.intervals import LEAST_BLOCKS, Interval, exp, mean_error, t_interval
from benchkit.analysis.labels import Labels
from benchkit.analysis.scaling_words import refusal, sentence
from benchkit.analysis.usl import Curve, Fitted, Point
from benchkit.words import say

Seen = Literal["capacity", "drain", "throughput"]
_KEPT_UP: Final = 0.95
"""An open loop of which this share came through was kept up with."""
_OVERLOAD: Final = frozenset(
    {"warm-up-never-ended", "offered-load-not-reached", "drain-timed-out", "undelivered", "blocks-disagree"}
)
"""Why a cell may be invalid and still show what its workers can do at most."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What one cell of a set showed."""

    cell: str
    workers: int
    seen: Seen
    point: Point


@dataclass(frozen=True, slots=True)
class Set:
    """Cells that differ by their workers alone, by worker count."""

    title: str
    reached: tuple[Reached, ...]
    left_out: tuple[tuple[int, str], ...]
    """Worker counts that say nothing, and why: `kept-up`, `not-valid`."""


def scaling(cells: Sequence[Analysed], names: Mapping[str, Labels]) -> list[dict[str, Any]]:
    """`scaling` of run.json: an entry for each set of cells with two worker counts or more."""
    together: dict[str, list[Analysed]] = {}
    for each in cells:
        together.setdefault(_alike(each), []).append(each)
    return [
        _entry(_set(own, names)) for own in together.values() if len({each.cell.workers for each in own}) > 1
    ]


def _alike(done: Analysed) -> str:
    cell = done.cell
    options = {axis: value for axis, value in cell.parameters.items() if axis != "workers"}
    facts = (cell.transport, cell.codec, cell.stage, cell.source, cell.load, cell.producers, cell.replies)
    return json.dumps([facts, options], sort_keys=True, default=str)


def _set(cells: Sequence[Analysed], names: Mapping[str, Labels]) -> Set:
    ordered = sorted(cells, key=lambda each: each.cell.workers)
    found, left_out = [], []
    for each in ordered:
        reached = _reached(each)
        if isinstance(reached, Reached):
            found.append(reached)
        else:
            left_out.append((each.cell.workers, reached))
    first = ordered[0].cell
    title = f"{names[first.id].row}, {first.source}, {first.load}"
    return Set(title, tuple(found), tuple(left_out))


def _reached(done: Analysed) -> Reached | str:
    cell, of = done.cell, done.cell.workers
    invalid = {reason.code for reason in done.reasons if reason.severity == "invalid"}
    if not done.blocks or invalid - _OVERLOAD:
        return "not-valid"
    if done.drained is not None:
        rates = done.drained.by_block_per_s
        return Reached(cell.id, of, "drain", Point(of, rates)) if rates else "not-valid"
    if done.cell.search is not None:
        return _searched(done)
    blocks = {block.index: block for block in done.blocks}
    found = [
        (each.count * 1e9 / each.span_ns, blocks[each.index]) for each in done.measure.blocks if each.span_ns
    ]
    if not found:
        return "not-valid"
    asked = [block.offered_per_s for _, block in found]
    kept_up = sum(per_s >= _KEPT_UP * rate for (per_s, _), rate in zip(found, asked, strict=True) if rate)
    # Arrivals at random are many in one block and few in another: most of the blocks say.
    if 2 * kept_up > len(found):
        return "kept-up"
    return Reached(cell.id, of, "throughput", Point(of, tuple(per_s for per_s, _ in found)))


def _searched(done: Analysed) -> Reached | str:
    found = done.found
    if found is None or found.answer is None:
        return "not-valid"
    rate, low, high = found.answer.level.rate_per_s, found.low_per_s, found.high_per_s
    interval = (low, high) if low and high else None
    point = Point(done.cell.workers, (rate,), interval)
    return Reached(done.cell.id, done.cell.workers, "capacity", point)


def _entry(found: Set) -> dict[str, Any]:
    points = [each.point for each in found.reached]
    law, why = None, ""
    try:
        law = usl.fit(points)
    except ValueError:
        why = say("throughput falls faster than the law can")
    fewer = len({point.workers for point in points}) < usl.LEAST_COUNTS
    refused = (
        ""
        if law
        else refusal(sorted({point.workers for point in points}), found.left_out, "" if fewer else why)
    )
    most = max((point.workers for point in points), default=0)
    return {
        "title": found.title,
        "seen": found.reached[0].seen if found.reached else None,
        "points": [_point(each) for each in found.reached],
        "left_out": [{"workers": workers, "why": why} for workers, why in found.left_out],
        **_law(law),
        "refused": refused,
        "sentence": sentence(found.title, law, refused, most),
    }


def _point(reached: Reached) -> dict[str, Any]:
    point = reached.point
    return {
        "cell": reached.cell, "workers": reached.workers, "per_s": point.mean_per_s, "interval": _interval(point),
        "blocks": len(point.per_s),
    }  # fmt: skip


def _interval(point: Point) -> Interval | None:
    if point.interval is not None or len(point.per_s) < LEAST_BLOCKS:
        return point.interval
    import numpy as np

    low, high = t_interval(*mean_error(np.log(point.per_s)))
    return exp(low), exp(high)


def _law(found: Fitted | None) -> dict[str, Any]:
    """The coefficients and what follows from them; None where there is no law."""
    names = ("lambda_per_s", "lambda_ci95", "sigma", "sigma_ci95", "kappa", "kappa_ci95")
    more = ("best_workers", "best_workers_ci95", "best_per_s", "misfit", "superlinear")
    if found is None:
        return {**dict.fromkeys((*names, *more)), "curve": []}
    law = found.law
    values = (law.lambda_per_s, found.lambda_ci, law.sigma, found.sigma_ci, law.kappa, found.kappa_ci)
    known = found.best_ci is not None and math.isfinite(law.best)
    best = (law.best, found.best_ci, law.per_s(law.best)) if known else (None, None, None)
    return {
        **dict(zip(names, values, strict=True)),
        **dict(zip(more, (*best, found.misfit, found.superlinear), strict=True)),
        "curve": [_on_curve(each) for each in found.curve],
    }


def _on_curve(each: Curve) -> dict[str, Any]:
    return {**asdict(each), "band": list(each.band) if each.band else None}
