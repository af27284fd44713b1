"""Forest of a later run against the first: each cell's ratio with its interval; what is not decided looks so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.analysis.compare import Difference
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.forest import MOST_CELLS, Forest, Ratio
from benchkit.report.charts.palette import Look, looks
from benchkit.report.excerpt import excerpt, short
from benchkit.units import show_us

Entry = Mapping[str, Any]


def between(number: int, documents: Sequence[Entry], found: Sequence[Difference]) -> Iterator[Forest]:
    """Run `number` (from 2) against run 1, a chart for each group of cells of which any has a ratio."""
    base = {cell["id"]: cell for cell in documents[0]["cells"]}
    later = {cell["id"]: cell for cell in documents[number - 1]["cells"]}
    look = looks(str(cell["transport"]) for cell in base.values())
    groups: dict[str, list[Ratio]] = {}
    for each in found:
        if each.run == number - 1 and each.ratio:
            cell = base[each.cell]
            ratio = _ratio(each, cell, later[each.cell], look[str(cell["transport"])])
            groups.setdefault(str(cell["labels"]["group"]), []).append(ratio)
    for group, ratios in groups.items():
        yield Forest(
            _words(number, group, ratios), tuple(ratios[:MOST_CELLS]), unit="ratio to run 1, logarithmic"
        )


def _ratio(each: Difference, base: Entry, later: Entry, look: Look) -> Ratio:
    return Ratio(
        cell=each.cell,
        name=short(base["labels"]["row"]),
        look=look,
        ratio=float(each.ratio or 0.0),
        interval=each.interval,
        tied=each.change in ("no difference seen", "not decidable"),
        best=False,
        p50_us=float(each.p50_us or 0.0),
        blocks=len(later.get("blocks_detail", ())),
        messages=int(later["latency_us"]["count"]),
        said="" if each.interval else each.why,
    )


def _words(number: int, group: str, ratios: Sequence[Ratio]) -> Words:
    notes = (
        f"p50 in run {number} over p50 in run 1; below 1 is faster. Hollow: no difference seen, or not decidable.",
        "95% intervals from block medians (Welch), widened for the number of cells (Holm); runs are not paired.",
        *left_out([each.name for each in ratios[MOST_CELLS:]]),
    )
    columns = ("cell", "p50 of the later run", "ratio to run 1", "blocks", "messages")
    values = tuple(
        (each.name, show_us(each.p50_us), each.says, str(each.blocks), str(each.messages))
        for each in ratios[:MOST_CELLS]
    )
    return Words(f"Run {number} against run 1: {excerpt(group, 80)}", notes, columns, values)
