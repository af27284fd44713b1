"""What `benchkit floors --json` prints: plain data, microseconds throughout."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from benchkit import __version__
from benchkit.floors.bars import ENGINE, Bar
from benchkit.floors.judging import about, estimate, rounds_of
from benchkit.floors.measured import Measured
from benchkit.floors.plan import Entrant, FloorsPlan
from benchkit.floors.ratios import Estimate, inverse, judged, ratio, typical
from benchkit.records.environment import environment

SCHEMA = "benchkit.floors/1"
DEFINITION = (
    "One message lies ready in the producer's process, one is in flight. An exchange ends when the producer has seen "
    "the consumer's acknowledgement of one byte, one way when the consumer has the whole message. Each block's median "
    "counts once; ratios are paired by round."
)


def document(plan: FloorsPlan, measured: Measured, started: datetime, duration_s: float) -> dict[str, Any]:
    """Everything, safe for JSON."""
    return {
        "schema": SCHEMA,
        "benchkit": __version__,
        "started_utc": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration_s": duration_s,
        "definition": DEFINITION,
        "quick": plan.quick,
        "seed": plan.seed,
        "rounds": plan.rounds,
        "sizes": list(plan.sizes),
        "placement": measured.placement,
        "environment": environment(),
        "rows": [_row(measured, each, nbytes) for each in plan.entrants for nbytes in each.sizes],
        "engine_cpu_us": _plain(typical([*measured.engine_us.values()])),
        "ratios": [_compared(measured, *pair) for pair in _pairs(plan)],
        "bars": [_bar(plan, measured, bar) for bar in about(plan)],
    }


def _row(measured: Measured, entrant: Entrant, nbytes: int) -> dict[str, Any]:
    failed = measured.failed.get(entrant.name)
    key = entrant.name, nbytes
    return {
        "name": entrant.name,
        "role": entrant.role,
        "says": entrant.says,
        "bytes": nbytes,
        "exchange_us": _plain(typical([*rounds_of(measured, *key, "exchange").values()])),
        "one_way_us": _plain(typical([*rounds_of(measured, *key, "one_way").values()])),
        "blocks": len(measured.timings.get(key, {})),
        "missing": failed.what if failed else entrant.missing,
        "remedy": failed.remedy if failed else entrant.remedy,
    }


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    """`value` and `ci95`."""
    return None if estimate is None else {"value": estimate.value, "ci95": estimate.interval}


def _pairs(plan: FloorsPlan) -> Iterator[tuple[str, str, int]]:
    """Transport over its floor, recipe over its transport."""
    names = {each.name for each in plan.entrants}
    for each in plan.entrants:
        against = each.floor or each.beside
        if against in names:
            yield from ((each.name, against, nbytes) for nbytes in each.sizes)


def _compared(measured: Measured, of: str, against: str, nbytes: int) -> dict[str, Any]:
    found = ratio(
        rounds_of(measured, of, nbytes, "exchange"), rounds_of(measured, against, nbytes, "exchange")
    )
    return {"of": of, "against": against, "bytes": nbytes, "ratio": _plain(found)}


def _bar(plan: FloorsPlan, measured: Measured, bar: Bar) -> dict[str, Any]:
    found = estimate(measured, bar)
    shown, limit = found, bar.most
    if bar.inverse:
        shown, limit = None if found is None else inverse(found), 1 / bar.most
    return {
        "of": bar.of,
        "against": bar.against,
        "bytes": bar.nbytes,
        "against_bytes": bar.against_nbytes or bar.nbytes,
        "figure": bar.figure,
        "unit": bar.unit,
        "sense": "at least" if bar.inverse else "at most",
        "limit": limit,
        "measured": _plain(shown),
        "verdict": (verdict := judged(bar, found)),
        "obstacle": _undecided(bar, plan)
        if verdict == "undecided"
        else bar.obstacle
        if verdict == "not met"
        else "",
        "why": _why(plan, measured, bar) if found is None else "",
    }


def _undecided(bar: Bar, plan: FloorsPlan) -> str:
    rounds = "the few rounds of a quick run" if plan.quick else "three times the rounds"
    known = f"; {bar.obstacle}" if bar.obstacle else ""
    return f"the interval reaches over the limit after {rounds}: the machine's noise hides on which side it is{known}"


def _why(plan: FloorsPlan, measured: Measured, bar: Bar) -> str:
    """Why a bar could not be measured."""
    entrants = {each.name: each for each in plan.entrants}
    for name in (bar.of, bar.against):
        if name in measured.failed:
            return f"{name}: {measured.failed[name].what}"
        if name and name != ENGINE and name not in entrants:
            return f"{name} is not part of this run"
        if name in entrants and entrants[name].missing:
            return f"{name}: {entrants[name].missing}"
    return "no round was finished"
