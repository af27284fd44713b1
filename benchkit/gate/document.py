"""What a gate says, as plain data: gate.json, and what every report is made from.

::

    {"schema": "benchkit.gate/1", "verdict": "PASS|WARN|INCONCLUSIVE|FAIL", "exit_code": 0, "reasons": [""],
     "scenario": "dam", "base": {"told": "main (1a2b3c4d)", "did": [""]}, "candidate": {...}, "same_build": false,
     "started_utc": "", "seconds": 0.0, "blocks": {"planned": 20, "done": 10, "confirming": 0, "seconds": 5.0},
     "looks": [{"blocks": 10, "level": 0.005}], "interrupted": false, "environment": {...}, "machine": {...},
     "rows": [{"cell": "", "metric": "p50|p99|throughput", "verdict": "", "change": 0.11, "interval": [0.09, 0.13],
               "level": 0.005, "delta": 0.03, "pairs": 10, "p_value": 0.001, "improved": false,
               "blocks_needed": null, "minutes_needed": null, "why": "", "suspected": null}],
     "missing": [{"cell": "", "side": "base|candidate|both", "why": ""}], "notes": [""]}

A change is the metric's own: +0.11 of a latency is slower, -0.11 of a throughput is lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from benchkit.gate import machine
from benchkit.gate.measure import Outcome, Wanted
from benchkit.gate.rows import HIGHER_IS_BETTER, Row, Verdict, ratio, worst
from benchkit.gate.sides import BASE, CANDIDATE, Side, same_build
from benchkit.records.environment import environment

SCHEMA: Final = "benchkit.gate/1"
REGRESSION, UNDECIDED, INTERRUPTED = 1, 3, 130
OnMissing = Literal["fail", "ignore"]


def document(
    name: str,
    started_utc: str,
    found: tuple[Side, Side],
    wanted: Wanted,
    outcome: Outcome,
    on_missing: OnMissing,
) -> dict[str, Any]:
    """The whole gate."""
    unfit = machine.evidence([run for run in outcome.runs if run.phase != "try"])
    verdict, reasons = _verdict(outcome, unfit, on_missing)
    base, candidate = found
    alike = same_build(found)
    notes = list(outcome.notes)
    if alike:
        notes.insert(0, "base and candidate are the same build: there is no difference to find")
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": INTERRUPTED if outcome.interrupted else _code(verdict),
        "reasons": reasons,
        "scenario": name,
        BASE: {"told": base.told, "did": list(base.did)},
        CANDIDATE: {"told": candidate.told, "did": list(candidate.did)},
        "same_build": alike,
        "started_utc": started_utc,
        "seconds": outcome.seconds,
        "blocks": {
            "planned": wanted.blocks,
            "done": outcome.blocks,
            "confirming": outcome.confirming,
            "seconds": outcome.block_s,
        },
        "looks": [asdict(look) for look in outcome.looks],
        "interrupted": outcome.interrupted,
        "environment": environment(),
        "machine": machine.state([run for run in outcome.runs if run.phase != "try"]),
        "rows": [_row(row, outcome.block_s) for row in outcome.rows],
        "missing": [asdict(each) for each in outcome.missing],
        "on_missing": on_missing,
        "notes": notes,
    }


def _verdict(outcome: Outcome, unfit: Sequence[str], on_missing: OnMissing) -> tuple[Verdict, list[str]]:
    """The worst of all, and why it is what it is."""
    reasons: list[str] = []
    if outcome.interrupted:
        reasons.append("interrupted: what was measured until then decides nothing")
    if unfit:
        # Also a failure: what is measured here is how the machine's time was taken.
        return "INCONCLUSIVE", [*reasons, *unfit]
    verdicts: list[Verdict] = [row.verdict for row in outcome.rows]
    one_sided = [each for each in outcome.missing if each.side != "both"]
    if one_sided and on_missing == "fail":
        verdicts.append("FAIL")
        cells = f"{len(one_sided)} cell{'s' if len(one_sided) > 1 else ''}"
        reasons.append(f"{cells} on one side only; --missing ignore lets that pass")
    if any(each.side == "both" for each in outcome.missing) or not outcome.rows:
        verdicts.append("INCONCLUSIVE")
        reasons.append(
            "a cell has no valid runs on either side" if outcome.missing else "nothing was compared"
        )
    if outcome.interrupted:
        verdicts.append("INCONCLUSIVE")
    return worst(verdicts), reasons


def _code(verdict: Verdict) -> int:
    return {"PASS": 0, "WARN": 0, "INCONCLUSIVE": UNDECIDED, "FAIL": REGRESSION}[verdict]


def _row(row: Row, block_s: float) -> dict[str, Any]:
    needed = row.blocks_needed
    return {
        "cell": row.cell,
        "metric": row.metric,
        "verdict": row.verdict,
        "change": None if row.estimate is None else ratio(row.estimate, row.metric),
        "interval": _interval(row),
        "level": row.level,
        "delta": row.delta,
        "pairs": row.pairs,
        "p_value": row.p_value,
        "improved": row.improved,
        "blocks_needed": needed,
        "minutes_needed": None if needed is None else needed * block_s / 60,
        "why": row.why,
        "suspected": None if row.suspected is None else _row(row.suspected, block_s),
    }


def _interval(row: Row) -> list[float | None] | None:
    """Of the metric's change, lower end first; None is an end that nothing bounds."""
    if row.interval is None:
        return None
    low, high = row.interval[::-1] if row.metric in HIGHER_IS_BETTER else row.interval
    return [ratio(end, row.metric) if math.isfinite(end) else None for end in (low, high)]
