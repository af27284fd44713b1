"""A run against a stored baseline -> what `benchkit check SCENARIO --baseline FILE` says, as plain data.

::

    {"schema": "benchkit.baseline-check/1", "verdict": "PASS|WARN|INCONCLUSIVE|FAIL", "exit_code": 0, "reasons": [""],
     "scenario": "dam", "baseline": {"digest": "", "runs": 4, "noise": {...}}, "mode": "as measured|...",
     "rows": [{"cell": "", "metric": "p50_us", "verdict": "", "base": 0.0, "now": 0.0, "change": 0.11,
               "interval": [0.09, 0.13], "delta": 0.1, "p_value": 0.01, "improved": false, "why": ""}],
     "not_compared": [""]}

A change is the metric's own: +0.11 of a latency is slower, -0.11 of a throughput is lower.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.baseline.figures import EXACT, HIGHER_IS_BETTER, PATH, Figure, figures
from benchkit.analysis.baseline.judge import ORDER, Claim, Judged, Verdict, judge
from benchkit.analysis.baseline.noise import Noise
from benchkit.analysis.baseline.same import refuse_other
from benchkit.analysis.baseline.scale import Scale, path_ratio, scale
from benchkit.analysis.intervals import exp
from benchkit.records.baseline import Content

Entry = Mapping[str, Any]
SCHEMA: Final = "benchkit.baseline-check/1"
DELTA: Final = 0.10
_CODES: Final[Mapping[Verdict, int]] = {"PASS": 0, "WARN": 0, "INCONCLUSIVE": 3, "FAIL": 1}
_ONE_JOB: Final = "compare in one job: benchkit check SCENARIO --base REF"
_MORE: Final = "save a baseline of 4 runs or more that were spread over an hour or more, or "


def compare(content: Content, document: Entry, delta: float = DELTA) -> dict[str, Any]:
    """The comparison; raises UsageError with the field that differs where it is another scenario."""
    refuse_other(content, document, ("the baseline", "this run"))
    machine = scale(content, document)
    cells = {cell["id"]: cell for cell in document["cells"]}
    rows: list[dict[str, Any]] = []
    claims: list[tuple[Claim, float, float]] = []
    skipped: list[str] = []
    for name, stored in content["cells"].items():
        if name not in cells:
            skipped.append(f"{name}: not measured now")
        elif why := _unfit(cells[name]):
            rows.append(_undecided(name, why))
        else:
            found = list(_claims(name, stored, figures(cells[name]), machine, content, delta))
            claims += found
            if not machine.absolute:
                skipped.append(_left(name, [claim.metric for claim, _, _ in found], stored))
    skipped += [f"{name}: not in the baseline" for name in cells.keys() - content["cells"].keys()]
    judged = judge([claim for claim, _, _ in claims])
    rows += [_row(each, base, now) for each, (_, base, now) in zip(judged, claims, strict=True)]
    return _document(content, document, machine, rows, sorted(skipped))


def _claims(
    name: str, stored: Entry, now: Mapping[str, Figure], machine: Scale, content: Content, delta: float
) -> Iterator[tuple[Claim, float, float]]:
    """What can be compared of a cell, each with the figure then and now."""
    noise = Noise.read(content["noise"])
    path = now.get(PATH)
    ratio = path_ratio(stored, path.value if path else None)
    for metric in stored.keys() & now.keys() - {PATH}:
        then, figure = stored[metric], now[metric]
        worse = math.log(figure.value / then["value"]) * (-1 if metric in HIGHER_IS_BETTER else 1)
        if metric in EXACT:
            yield Claim(name, metric, worse, worse, 0.0, math.inf, delta), then["value"], figure.value
            continue
        spread = noise.of(then["log_sd"])
        now_sd = max(machine.noise_now(spread), figure.log_se)
        variance = max(spread, then["log_se"]) ** 2 / max(1, len(content["runs"])) + now_sd**2
        if machine.absolute:
            claim = Claim(name, metric, worse, worse, math.sqrt(variance), noise.freedom, delta)
            yield claim, then["value"], figure.value
        elif metric == "moved_us" and ratio is not None and not machine.unknown:
            low, high = machine.ends(ratio)
            # The floor was measured in the same runs and varies as they do.
            error = math.sqrt(2 * variance)
            claim = Claim(name, "moved_x_floor", worse - high, worse - low, error, noise.freedom, delta)
            yield claim, then["value"] / stored[PATH]["value"], figure.value / now[PATH].value


def _unfit(cell: Entry) -> str:
    if cell["validity"]["valid"]:
        return ""
    codes = ", ".join(reason["code"] for reason in cell["validity"]["reasons"]) or "no reason given"
    return f"the cell is not valid now: {codes}"


def _left(name: str, compared: Sequence[str], stored: Entry) -> str:
    left = sorted(stored.keys() - {PATH, "moved_us", *compared})
    return f"{name}: {', '.join(left)} (no floor tells what the machine made of them)"


def _undecided(cell: str, why: str) -> dict[str, Any]:
    empty = dict.fromkeys(("base", "now", "change", "interval", "delta", "p_value"))
    return {"cell": cell, "metric": "", "verdict": "INCONCLUSIVE", **empty, "improved": False, "why": why}


def _row(judged: Judged, base: float, now: float) -> dict[str, Any]:
    claim = judged.claim
    sign = -1 if claim.metric in HIGHER_IS_BETTER else 1
    low, high = sorted(exp(sign * end) - 1 for end in judged.interval)
    return {
        "cell": claim.cell,
        "metric": claim.metric,
        "verdict": judged.verdict,
        "base": base,
        "now": now,
        "change": exp(sign * (claim.low + claim.high) / 2) - 1,
        "interval": [low, high],
        "delta": claim.delta,
        "p_value": judged.p_value,
        "improved": judged.improved,
        "why": f"too wide an interval to tell {claim.delta:.0%}" if judged.verdict == "INCONCLUSIVE" else "",
    }


def _document(
    content: Content, document: Entry, machine: Scale, rows: list[dict[str, Any]], skipped: list[str]
) -> dict[str, Any]:
    rows.sort(key=lambda row: (row["cell"], row["metric"]))
    reasons = list(machine.why)
    measured = [row for row in rows if row["metric"] not in ("", *EXACT)]
    verdict: Verdict = max((row["verdict"] for row in rows), key=ORDER.index, default="INCONCLUSIVE")
    if not measured and verdict != "FAIL":
        verdict = "INCONCLUSIVE"
        reasons.append("nothing that was measured can be compared")
    if verdict == "INCONCLUSIVE":
        noise = content["noise"]
        if noise["source"] == "assumed":
            reasons.append(
                f"what single runs differ by is assumed ({noise['log_sd']:.0%}), not learned: the baseline has "
                f"{noise['runs']} run(s) over {noise['span_s'] / 60:.0f} min"
            )
        reasons.append(_ONE_JOB if noise["source"] == "learned" else _MORE + _ONE_JOB)
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": _CODES[verdict],
        "reasons": reasons,
        "scenario": content["scenario"].get("name", ""),
        "started_utc": document["started_utc"],
        "baseline": {"digest": content["digest"], "runs": len(content["runs"]), "noise": content["noise"]},
        "mode": "as measured" if machine.absolute else "as multiples of floors",
        "floors": dict(machine.ratios),
        "rows": rows,
        "not_compared": skipped,
    }
