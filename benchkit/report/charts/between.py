"""Forest of a later run against the first: each cell's ratio with its interval; what is not decided looks so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.analysis.compare import Difference
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.forest import MOST_CELLS, Forest, Ratio
from benchkit.report.charts.palette import looks
from benchkit.report.excerpt import short
from benchkit.units import show_us

Entry = Mapping[str, Any]


def between(number: int, documents: Sequence[Entry], found: Sequence[Difference]) -> Forest | None:
    """Run `number` (from 2) against run 1; None when no cell of both has a ratio."""
    own = [each for each in found if each.run == number - 1 and each.ratio]
    if not own:
        return None
    base = {cell["id"]: cell for cell in documents[0]["cells"]}
    later = {cell["id"]: cell for cell in documents[number - 1]["cells"]}
    look = looks(str(cell["transport"]) for cell in base.values())
    several = len({cell["labels"]["group"] for cell in base.values()}) > 1
    ratios = []
    for each in own[:MOST_CELLS]:
        cell = base[each.cell]
        name = short(cell["labels"]["row"])
        ratios.append(
            Ratio(
                cell=each.cell,
                name=f"{name}, {short(cell['labels']['group'], 24)}" if several else name,
                look=look[str(cell["transport"])],
                ratio=float(each.ratio or 0.0),
                interval=each.interval,
                tied=each.change in ("no difference seen", "not decidable"),
                best=False,
                p50_us=float(each.p50_us or 0.0),
                blocks=len(later[each.cell].get("blocks_detail", ())),
                messages=int(later[each.cell]["latency_us"]["count"]),
                said="" if each.interval else each.why,
            )
        )
    out = [short(base[each.cell]["labels"]["row"]) for each in own[MOST_CELLS:]]
    notes = (
        f"p50 of each cell in run {number} over run 1; 95% intervals from block medians (Welch), widened for the"
        " number of cells (Holm). Hollow: no difference seen, or not decidable.",
        "Below 1 is faster. Runs are not paired: what else changed between them is in the ratio too.",
        *left_out(out),
    )
    columns = ("cell", "p50 of the later run", "ratio to run 1", "blocks", "messages")
    values = tuple(
        (each.name, show_us(each.p50_us), each.says, str(each.blocks), str(each.messages)) for each in ratios
    )
    title = f"Run {number} against run 1"
    return Forest(Words(title, notes, columns, values), tuple(ratios), unit="ratio to run 1, logarithmic")
