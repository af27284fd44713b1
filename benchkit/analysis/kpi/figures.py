"""The team's figures of many entries, by release or by month, as plain data.

::

    {"schema": "benchkit.kpi/1", "by": "release", "entries": 12, "never_ended": 0,
     "left_out": [{"name": "", "why": ""}],
     "groups": [{"name": "1a2b3c4d5e",
                 "first_utc": "", "last_utc": "",
                 "performance": {"runs": 9, "passed": 7, "failed": 1, "undecided": 1, "interrupted": 0,
                                 "pass_rate": 0.78},
                 "stability": {...}, "regressions": {"checks": 3, "caught": 1, "figures": 2, "false_alarms": 0},
                 "run_lead_s": {"n": 9, "median": 41.0, "longest": 90.0},
                 "message_lead_us": {"dam": {"n": 12, "p50": 900.0, "p99": 2100.0}},
                 "mttr_s": {"redis-stream": {"n": 10, "mean": 1.2, "median": 1.1, "longest": 2.0, "never": 0}}}],
     "total": {...as a group...}, "definitions": {"pass_rate": "..."}}

A figure that nothing was measured for is null, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final, Literal

from benchkit.analysis.kpi.read import Entry, Kind
from benchkit.records.shelf import Left
from benchkit.words import say

SCHEMA: Final = "benchkit.kpi/1"
By = Literal["release", "month"]
_OUTCOMES: Final = ("passed", "failed", "undecided", "interrupted")
_KINDS: Final[tuple[Kind, ...]] = ("performance", "stability")


def definitions() -> dict[str, str]:
    """What each figure means, in the language that is spoken."""
    return {
        "performance": say("a run without faults that was no soak, or a gate (benchkit check --base)"),
        "stability": say("a soak (blocks.soak), or a run with faults"),
        "pass_rate": say(
            "passed / (passed + failed + undecided): promises kept, guarantees held, memory "
            "flat, something valid measured; "
            "interrupted runs are no part of it"
        ),
        "mttr_s": say(
            "from the moment a fault was injected until p99 and throughput were steady again, over all valid trials; "
            "the mean of those that recovered, and how many never did"
        ),
        "run_lead_s": say("from the start of a run to its result"),
        "message_lead_us": say(
            "from the moment at which a message was due to its result: medians of p50 and p99 over the valid cells"
        ),
        "regressions": say(
            "checks that said FAIL against a base, a baseline or a promise; against the same build it is a false alarm"
        ),
    }


def kpi(
    entries: Sequence[Entry], by: By = "release", *, left: Iterable[Left] = (), never_ended: int = 0
) -> dict[str, Any]:
    """The document; groups by the start of their first run, the newest last."""
    ordered = sorted(entries, key=lambda entry: (entry.started_utc, entry.name))
    together: dict[str, list[Entry]] = {}
    for entry in ordered:
        together.setdefault(entry.release if by == "release" else entry.started_utc[:7], []).append(entry)
    return {
        "schema": SCHEMA,
        "by": by,
        "entries": len(ordered),
        "never_ended": never_ended,
        "left_out": [{"name": each.name, "why": each.why} for each in left],
        "groups": [_group(name, own) for name, own in together.items()],
        "total": _group("total", ordered),
        "definitions": definitions(),
    }


def _group(name: str, own: Sequence[Entry]) -> dict[str, Any]:
    checks = [entry.check for entry in own if entry.check is not None]
    caught = [check for check in checks if check.failed and not check.alike]
    return {
        "name": name,
        "first_utc": own[0].started_utc if own else "",
        "last_utc": own[-1].started_utc if own else "",
        **{kind: _passed([entry for entry in own if entry.kind == kind]) for kind in _KINDS},
        "regressions": {
            "checks": len(checks),
            "caught": len(caught),
            "figures": sum(check.figures for check in caught),
            "false_alarms": sum(check.failed and check.alike for check in checks),
        },
        "run_lead_s": _lasting([entry.lead_s for entry in own if entry.outcome != "interrupted"]),
        "message_lead_us": _messages(own),
        "mttr_s": _repaired(own),
    }


def _passed(own: Sequence[Entry]) -> dict[str, Any]:
    counts = {name: sum(entry.outcome == name for entry in own) for name in _OUTCOMES}
    decided = len(own) - counts["interrupted"]
    return {"runs": len(own), **counts, "pass_rate": counts["passed"] / decided if decided else None}


def _lasting(values: Sequence[float]) -> dict[str, Any]:
    return {
        "n": len(values),
        "median": median(values) if values else None,
        "longest": max(values, default=None),
    }


def _messages(own: Sequence[Entry]) -> dict[str, Any]:
    cells: dict[str, list[tuple[float, float | None]]] = {}
    for entry in own:
        if entry.kind == "performance" and entry.latencies_us:
            cells.setdefault(entry.scenario, []).extend(entry.latencies_us)
    return {scenario: _typical(found) for scenario, found in sorted(cells.items())}


def _typical(cells: Sequence[tuple[float, float | None]]) -> dict[str, Any]:
    tails = [p99 for _, p99 in cells if p99 is not None]
    return {"n": len(cells), "p50": median(p50 for p50, _ in cells), "p99": median(tails) if tails else None}


def _repaired(own: Sequence[Entry]) -> dict[str, Any]:
    repairs: dict[str, list[float | None]] = {}
    for entry in own:
        for each in entry.repairs:
            repairs.setdefault(each.transport, []).append(each.seconds)
    return {transport: _times(found) for transport, found in sorted(repairs.items())}


def _times(samples: Sequence[float | None]) -> dict[str, Any]:
    known = [each for each in samples if each is not None]
    return {
        "n": len(samples),
        "mean": fmean(known) if known else None,
        "median": median(known) if known else None,
        "longest": max(known, default=None),
        "never": len(samples) - len(known),
    }


def rows(told: Mapping[str, Any]) -> Iterable[tuple[str, str, str, float | int | None, str, int]]:
    """Every figure by itself: group, figure, what it is of, value, unit, n; for tables of other programs."""
    for group in (*told["groups"], told["total"]):
        name = str(group["name"])
        for kind in _KINDS:
            for figure in ("runs", *_OUTCOMES):
                yield name, f"{kind}_{figure}", "", group[kind][figure], "", group[kind]["runs"]
            yield name, f"{kind}_pass_rate", "", group[kind]["pass_rate"], "share", group[kind]["runs"]
        for figure in ("checks", "caught", "figures", "false_alarms"):
            yield (
                name,
                f"regressions_{figure}",
                "",
                group["regressions"][figure],
                "",
                group["regressions"]["checks"],
            )
        for figure in ("median", "longest"):
            yield name, f"run_lead_{figure}", "", group["run_lead_s"][figure], "s", group["run_lead_s"]["n"]
        for scenario, lead in group["message_lead_us"].items():
            for figure in ("p50", "p99"):
                yield name, f"message_lead_{figure}", scenario, lead[figure], "us", lead["n"]
        for transport, times in group["mttr_s"].items():
            for figure in ("mean", "median", "longest"):
                yield name, f"mttr_{figure}", transport, times[figure], "s", times["n"]
            yield name, "mttr_never", transport, times["never"], "", times["n"]
