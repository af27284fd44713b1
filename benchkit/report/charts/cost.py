"""Cost: CPU time per message and per gigabyte by the party that spends it, memory, bytes on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchkit.analysis.intervals import LEAST_BLOCKS, exp, mean_error, t_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, not_measured, room_for, scale_us
from benchkit.report.charts.palette import GROUND, INK, PARTIES, QUIET, Hue
from benchkit.report.codecs import fidelity, on_the_wire
from benchkit.report.groups import Group, Row
from benchkit.report.text import span
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 16
_SHARES: Final = (3.0, 1.9, 1.7, 1.7)
"""Widths of the panels."""
_BESIDE_IN: Final = 0.62
"""Room for the words at the right of each panel's bars."""
_HUES: Final = {**PARTIES, "link": Hue(QUIET, "#9aa5b1", GROUND)}


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
    payload_bytes: int
    wire_bytes: int
    memory_bytes: dict[str, int]
    """Peak of resident memory by party; 0 where it is unknown."""

    def per_gb(self, us_per_message: float | None) -> float:
        """Microseconds per gigabyte of tensors; 0 where there is nothing to divide by."""
        return (us_per_message or 0.0) * 1e9 / self.payload_bytes if self.payload_bytes else 0.0

    @property
    def us_per_gb(self) -> float | None:
        """All parties together; None when one is not known, or nothing is carried."""
        return self.per_gb(self.total_us) if self.total_us is not None and self.payload_bytes else None

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
            say(
                "CPU time of all cores per delivered message and per GB of tensors, without spinning until "
                "the next is due."
            )
        ),
        say(
            "Whisker: 95% interval over blocks. Memory: the largest of each party, added up. Wire: "
            "envelope included."
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = (
        "cell", "messages", *PARTIES, "together", "95% interval", "per GB",
        say("peak memory"), say("on the wire"), say("encode p50"), say("decode p50"), say("what arrives"),
    )  # fmt: skip
    values = tuple(_values(cost, row) for cost, row in zip(found, rows, strict=True))
    return Costs(Words(say("What it costs: {title}", title=group.title), notes, columns, values), found)


def _cost(row: Row) -> Cost:
    recorded = row.entry["cost"]
    parties = {party: recorded[f"{party}_cpu_us_per_message"] for party in PARTIES}
    return Cost(
        row.entry["id"], row.name, row.valid, parties, _interval(row, parties), row.count,
        int(row.entry["payload_bytes"]), int(row.entry["wire_bytes"]), dict(recorded["peak_rss_bytes"]),
    )  # fmt: skip


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
    interval = span(cost.interval_us) if cost.interval_us else "-"
    memory = sum(row.entry["cost"]["peak_rss_bytes"].values())
    return (
        cost.name, str(cost.messages), *map(show_us, cost.by_party_us.values()), show_us(cost.total_us),
        interval, show_us(cost.us_per_gb), show_bytes(memory) if memory else "-",
        on_the_wire(row.entry), *(show_us(row.entry["phases_us"][phase]["p50"]) for phase in ("encode", "decode")),
        fidelity(row.entry),
    )  # fmt: skip


def draw(chart: Costs) -> Figure:
    """A row for each cell; four panels side by side: CPU per message and per gigabyte, memory, bytes on the wire."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + on.ROW_IN * len(chart.costs) + 0.85)
    top = heading(drawing, chart.words.title, notes) + 0.24
    names = [f"{cost.name}, n={cost.messages}" for cost in chart.costs]
    left = on.label_width_in(names, 2.9, 8.0)
    room = (WIDTH_IN - left) / sum(_SHARES)
    start = left
    for at, (panel, share) in enumerate(zip(_panels(chart.costs), _SHARES, strict=True)):
        width = share * room
        axes = place(drawing, start, 0.52, WIDTH_IN - start - width + _BESIDE_IN, top)
        start += width
        _panel(
            axes,
            panel,
            chart.costs,
            names if not at else None,
        )
    on.swatches(drawing, PARTIES, PARTIES)
    return drawing


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of every cell: stacked lengths by party, whiskers, and what is written beside each bar."""

    title: str
    unit: str
    bars: tuple[dict[str, float], ...]
    whiskers: tuple[tuple[float, float] | None, ...]
    said: tuple[str, ...]
    broad: bool = False
    """With room for names in its bars."""


def _panels(found: Sequence[Cost]) -> list[Panel]:
    """The four panels; lengths in the units that their titles name."""
    divisor, unit = scale_us(_longest(found))
    per_gb = [cost.us_per_gb for cost in found]
    gb_divisor, gb_unit = scale_us(max((value for value in per_gb if value), default=1.0))
    wire_divisor, wire_unit = (1e6, "MB") if max(cost.wire_bytes for cost in found) >= 2e6 else (1e3, "kB")
    memory = [{party: (value or 0) / 1e6 for party, value in cost.memory_bytes.items()} for cost in found]
    return [
        Panel(
            say("CPU per message"), unit,
            tuple({party: (value or 0.0) / divisor for party, value in cost.by_party_us.items()} for cost in found),
            tuple(_scaled(cost.interval_us, 1 / divisor) for cost in found),
            tuple(say("not all known") if cost.total_us is None else show_us(cost.total_us) for cost in found),
            broad=True,
        ),
        Panel(
            say("CPU per GB"), gb_unit,
            tuple(
                {party: cost.per_gb(us) / gb_divisor for party, us in cost.by_party_us.items()} for cost in found
            ),
            tuple(_scaled(cost.interval_us, cost.per_gb(1.0) / gb_divisor) for cost in found),
            tuple(show_us(value) for value in per_gb),
            broad=True,
        ),
        Panel(
            say("peak memory"), "MB", tuple(memory), (None,) * len(found),
            tuple(show_bytes(1e6 * sum(each.values())) if any(each.values()) else "-" for each in memory),
        ),
        Panel(
            say("on the wire"), wire_unit, tuple({"link": cost.wire_bytes / wire_divisor} for cost in found),
            (None,) * len(found), tuple(show_bytes(cost.wire_bytes) for cost in found),
        ),
    ]  # fmt: skip


def _scaled(interval: tuple[float, float] | None, factor: float) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def _longest(found: Sequence[Cost]) -> float:
    return max(1e-6, *(sum(value or 0.0 for value in cost.by_party_us.values()) for cost in found))


def _panel(axes: Axes, panel: Panel, found: Sequence[Cost], names: Sequence[str] | None) -> None:
    longest = max((sum(each.values()) for each in panel.bars), default=0.0)
    ends = [whisker[1] for whisker in panel.whiskers if whisker]
    # Whiskers fit, but one that is endlessly long does not shrink the bars.
    width = max(min(max([longest, *ends]), 1.6 * longest), 1e-9)
    axes.set_xlim(0, width)
    on.rows_of_labels(axes, names or [""] * len(found), [not cost.valid for cost in found], 8.0)
    on.title(axes, f"{panel.title}, {panel.unit}", 8.0)
    on.across(axes, on.linear(width, 3 if panel.broad else 2), size=7)
    inches = axes.get_position().width * WIDTH_IN / width if panel.broad else 0.0  # the others are narrow
    for y, (cost, bar, whisker, said) in enumerate(
        zip(found, panel.bars, panel.whiskers, panel.said, strict=True)
    ):
        says = {
            party: f"{cost.name}: {panel.title}, {named(party)} {value:.4g} {panel.unit}"
            for party, value in bar.items()
        }
        end = on.stack(axes, y, bar, _HUES, inches, faint=not cost.valid, says=says)
        if whisker is not None:
            low, high = whisker
            drawn = on.line(
                axes,
                (low, min(high, width)),
                (y + 0.3,) * 2,
                color=INK,
                linewidth=1.0,
                marker="|",
                markersize=4,
            )
            mark(
                drawn,
                say(
                    "{name}: {title}, 95% interval {low:.4g} to {high:.4g} {unit}",
                    name=cost.name,
                    title=panel.title,
                    low=low,
                    high=high,
                    unit=panel.unit,
                ),
            )
            end = max(end, high)
        on.beside(axes, min(end, width), y, said, 7.5)
