"""Cost: CPU time per delivered message, by the party that spends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchkit.analysis.intervals import LEAST_BLOCKS, exp, mean_error, t_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, place
from benchkit.report.charts.chart import Words, not_measured, room_for, scale_us
from benchkit.report.charts.palette import GROUND, INK, PARTIES
from benchkit.report.codecs import fidelity, on_the_wire
from benchkit.report.groups import Group, Row
from benchkit.units import show_bytes, show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of one cell in microseconds per delivered message; None for a party without a record."""

    cell: str
    name: str
    valid: bool
    by_party_us: dict[str, float | None]
    interval_us: tuple[float, float] | None
    """95% interval of all parties together, from the blocks; None with fewer than three."""
    messages: int

    @property
    def total_us(self) -> float | None:
        """All parties together; None when one is not known."""
        known = [value for value in self.by_party_us.values() if value is not None]
        return sum(known) if len(known) == len(self.by_party_us) else None


@dataclass(frozen=True, slots=True)
class Costs:
    """What is drawn: one bar a cell."""

    words: Words
    costs: tuple[Cost, ...]


def costs(group: Group) -> Costs | None:
    """None when no cell of the group has a message to divide by."""
    rows, left_out = room_for(group.measured, MOST_CELLS)
    if not rows:
        return None
    found = tuple(_cost(row) for row in rows)
    notes = (
        (
            "CPU time per delivered message, all cores, without spinning until the next message is due;"
            " whisker: 95% interval over blocks."
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = (
        "cell", "messages", *PARTIES, "together", "95% interval", "peak memory",
        "on the wire", "encode p50", "decode p50", "what arrives",
    )  # fmt: skip
    values = tuple(_values(cost, row) for cost, row in zip(found, rows, strict=True))
    return Costs(Words(f"CPU per message: {group.title}", notes, columns, values), found)


def _cost(row: Row) -> Cost:
    recorded = row.entry["cost"]
    parties = {party: recorded[f"{party}_cpu_us_per_message"] for party in PARTIES}
    return Cost(row.entry["id"], row.name, row.valid, parties, _interval(row, parties), row.count)


def _interval(row: Row, parties: dict[str, float | None]) -> tuple[float, float] | None:
    """Student's t over the logarithms of the blocks, stretched to hold the pooled figure."""
    if None in parties.values():
        return None
    counts = {detail["index"]: detail["count"] for detail in row.entry["blocks_detail"]}
    each = [
        sum(used.cpu_ns for used in block.usage.values()) / counts[block.index] / 1e3
        for block in row.blocks
        if counts.get(block.index) and block.usage
    ]
    if len(each) < LEAST_BLOCKS or min(each) <= 0:
        return None
    low, high = t_interval(*mean_error(np.log(each)))
    total = sum(value for value in parties.values() if value is not None)
    return min(exp(low), total), max(exp(high), total)


def _values(cost: Cost, row: Row) -> tuple[str, ...]:
    interval = " to ".join(map(show_us, cost.interval_us)) if cost.interval_us else "-"
    memory = sum(row.entry["cost"]["peak_rss_bytes"].values())
    return (
        cost.name, str(cost.messages), *map(show_us, cost.by_party_us.values()), show_us(cost.total_us),
        interval, show_bytes(memory) if memory else "-",
        on_the_wire(row.entry), *(show_us(row.entry["phases_us"][phase]["p50"]) for phase in ("encode", "decode")),
        fidelity(row.entry),
    )  # fmt: skip


def draw(chart: Costs) -> Figure:
    """A stacked bar for each cell, the parties named in it where there is room and below it always."""
    from matplotlib.patches import Patch

    names = [f"{cost.name}, n={cost.messages}" for cost in chart.costs]
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + on.ROW_IN * len(names) + 0.85)
    top = heading(drawing, chart.words.title, notes) + 0.05
    left, right = on.label_width_in(names), 1.0
    axes = place(drawing, left, 0.72, right, top)
    on.rows_of_labels(axes, names, [not cost.valid for cost in chart.costs])
    divisor, unit = scale_us(_longest(chart.costs, whiskers=False))
    width = _width(chart.costs) / divisor
    axes.set_xlim(0, width)
    axes.set_xlabel(f"CPU per message, {unit}")
    for y, cost in enumerate(chart.costs):
        _bar(axes, y, cost, divisor, (WIDTH_IN - left - right) / width)
    handles = [Patch(facecolor=hue.light, edgecolor=GROUND, label=name) for name, hue in PARTIES.items()]
    drawing.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=8, borderaxespad=0.1)
    return drawing


def _longest(found: tuple[Cost, ...], *, whiskers: bool) -> float:
    bars = [sum(value or 0.0 for value in cost.by_party_us.values()) for cost in found]
    ends = [cost.interval_us[1] for cost in found if cost.interval_us] if whiskers else []
    return max(*bars, *ends, 1e-6)


def _width(found: tuple[Cost, ...]) -> float:
    """Whiskers fit, but one that is endlessly long does not shrink the bars."""
    return min(_longest(found, whiskers=True), 1.6 * _longest(found, whiskers=False)) * 1.03


def _bar(axes: Axes, y: int, cost: Cost, divisor: float, inches_per_unit: float) -> None:
    lengths = {party: (value or 0.0) / divisor for party, value in cost.by_party_us.items()}
    end = on.stack(axes, y, lengths, PARTIES, inches_per_unit, faint=not cost.valid)
    if cost.interval_us is not None:
        low, high = (bound / divisor for bound in cost.interval_us)
        axes.plot((low, high), (y + 0.3, y + 0.3), color=INK, linewidth=1.1, marker="|", markersize=4.5)
        end = max(end, high)
    said = show_us(cost.total_us) if cost.total_us is not None else "not all parties recorded"
    on.beside(axes, min(end, axes.get_xlim()[1]), y, said)
