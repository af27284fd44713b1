"""Latency against throughput of a run whose rates were given: the same cell at each rate is one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.search_words import promised
from benchkit.analysis.sweeps import Sweep, sweeps
from benchkit.report.charts.capacity import KNEE, MOST_CELLS, Capacities, Edge, Point
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.excerpt import excerpt
from benchkit.report.groups import Group, Row
from benchkit.report.text import rate, span
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]
MOST_PAYLOADS: Final = 4
_NOT_HELD: Final = frozenset(
    {"offered-load-not-reached", "drain-timed-out", "undelivered", "warm-up-never-ended", "source-too-slow"}
)
"""Reasons for which a cell is not valid that mean: this rate was too high."""


def swept(groups: Sequence[Group], document: Entry) -> Iterator[Capacities]:
    """For each payload that a run carried at two rates or more."""
    rows = {row.entry["id"]: row for group in groups for row in group.rows}
    broken = {each["cell"] for each in document["promises"] if each["kept"] is False}
    slo = {str(each["name"]): float(each["limit"]) for each in document["promises"] if "unit" not in each}
    drawn = 0
    for sweep in sweeps(document["cells"]):
        for size in sweep.payloads_bytes:
            lines = _lines(sweep, size, rows)
            if lines and drawn < MOST_PAYLOADS:
                drawn += 1
                yield _chart(f"{sweep.title}, {show_bytes(size)}", lines, broken, slo)


def _lines(sweep: Sweep, size: int, rows: Mapping[str, Row]) -> list[list[Row]]:
    """The rows of each contender by rate, where it was measured at two rates."""
    found: dict[str, list[Row]] = {}
    for field in sweep.fields:
        if field.payload_bytes == size and field.rate_per_s is not None:
            for cell in field.cells:
                row = rows[cell["id"]]
                if row.count:
                    found.setdefault(row.label, []).append(row)
    return [own for own in found.values() if len(own) > 1]


def _chart(
    title: str, lines: Sequence[Sequence[Row]], broken: set[str], slo: Mapping[str, float]
) -> Capacities:
    shown = _percentile(lines)
    edges = tuple(_edge(own, shown, broken) for own in lines[:MOST_CELLS])
    left = [own[0].label for own in lines[MOST_CELLS:]]
    notes = (
        say(
            "Line: {shown} with its 95% interval at each rate asked for; p99 where all samples are "
            "large enough for it.",
            shown=shown,
        ),
        say(
            "{promise} Hollow: not kept, or not valid. Foot: from the highest rate kept to the lowest "
            "not kept.",
            promise=_promise(slo),
        ),
        say(KNEE),
        *left_out(left),
    )
    columns = ("cell", "offered", "delivered", shown, "95% interval", "messages", "verdict")
    values = tuple(_value(row, shown, broken) for own in lines for row in own)
    limits = tuple((name, limit * 1e6) for name, limit in slo.items() if name != "loss")
    return Capacities(
        Words(say("Latency against throughput: {title}", title=excerpt(title, 100)), notes, columns, values),
        shown,
        edges,
        limits,
    )


def _promise(slo: Mapping[str, float]) -> str:
    return say("Promise: {promised}.", promised=promised(slo)) if slo else say("No promise was made.")


def _percentile(lines: Sequence[Sequence[Row]]) -> str:
    cells = [row.entry["latency_us"] for own in lines for row in own]
    # Not p90: it has no interval.
    return "p99" if all(cell["p99"] is not None for cell in cells) else "p50"


def _edge(own: Sequence[Row], shown: str, broken: set[str]) -> Edge:
    ordered = sorted(own, key=_offered)
    points = tuple(_point(row, shown, broken) for row in ordered)
    held = [_offered(row) for row, point in zip(ordered, points, strict=True) if point.kept]
    failed = [_offered(row) for row in ordered if _too_high(row, broken)]
    low = max(held, default=None)
    high = min((each for each in failed if low is None or each > low), default=None)
    first = ordered[0]
    return Edge(
        first.entry["id"], first.label, first.look, any(row.valid for row in ordered), None, (low, high), points,
        sum(row.count for row in ordered), searched=False,
    )  # fmt: skip


def _point(row: Row, shown: str, broken: set[str]) -> Point:
    latency = row.entry["latency_us"]
    interval = latency.get(f"{shown}_ci95")
    return Point(
        offered_per_s=_offered(row),
        delivered_per_s=row.entry["throughput"]["messages_per_s"],
        latency_us=latency[shown],
        kept=row.valid and row.entry["id"] not in broken,
        interval_us=None if interval is None else (interval[0], interval[1]),
    )


def _offered(row: Row) -> float:
    return float(row.entry["load"]["offered_per_s"] or 0.0)


def _too_high(row: Row, broken: set[str]) -> bool:
    return row.entry["id"] in broken or not _NOT_HELD.isdisjoint(row.codes)


def _value(row: Row, shown: str, broken: set[str]) -> tuple[str, ...]:
    latency = row.entry["latency_us"]
    interval = latency.get(f"{shown}_ci95")
    verdict = named("kept") if row.valid else say("not valid: {codes}", codes=", ".join(row.codes))
    return (
        row.label, rate(_offered(row)), rate(row.entry["throughput"]["messages_per_s"]), show_us(latency[shown]),
        span(interval) if interval else "-", str(latency["count"]),
        say("not kept") if row.entry["id"] in broken else verdict,
    )  # fmt: skip
