"""Floors: what moving a message takes above the same bytes moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchkit.analysis.intervals import quantile_interval
from benchkit.analysis.ledger import Column, phase_columns
from benchkit.analysis.quantiles import PERCENTILES
from benchkit.analysis.words import times
from benchkit.records.samples import PHASES
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, not_measured, room_for
from benchkit.report.charts.palette import INK, QUIET, Look
from benchkit.report.excerpt import short
from benchkit.report.groups import Group, Row
from benchkit.report.text import span
from benchkit.units import show_us
from benchkit.words import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 16
MOVING: Final = ("send", "transit", "reply", "return")
"""The phases in which the transport moves a message; see analysis.beneath."""


@dataclass(frozen=True, slots=True)
class Height:
    """One cell above its floor, microseconds."""

    cell: str
    name: str
    look: Look
    valid: bool
    count: int
    floor: str
    floor_us: float
    moved_us: float
    interval_us: tuple[float, float] | None
    """95%, of the median that is `moved_us`."""
    ratio: float

    @property
    def says(self) -> str:
        """In words."""
        return say(
            "{ratio} its floor ({floor} {floor_us})",
            ratio=times(self.ratio),
            floor=self.floor,
            floor_us=show_us(self.floor_us),
        )


@dataclass(frozen=True, slots=True)
class Floors:
    """What is drawn."""

    words: Words
    heights: tuple[Height, ...]


def floors(group: Group) -> Floors | None:
    """None when no cell has both a floor and messages."""
    based = [row for row in group.measured if (row.entry.get("floor") or {}).get("ratio") is not None]
    rows, left_out = room_for(based, MOST_CELLS)
    if not rows:
        return None
    heights = tuple(_height(row) for row in rows)
    without = [row.label for row in group.measured if row not in based]
    notes = (
        say(
            "Marker: median of send, transit, reply and return together, with its 95% interval, no "
            "waiting for the stage."
        ),
        say(
            "Bar: the same number of bytes moved by hand over the raw path, back to back, just before "
            "the run."
        ),
        *(
            (
                say(
                    "no floor is known: {without}{more}",
                    without=", ".join(without[:4]),
                    more=" ..." if without[4:] else "",
                ),
            )
            if without
            else ()
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "messages", "floor", say("of the floor"), "moved", "95% interval", "ratio")
    values = tuple(
        (
            each.name, str(each.count), each.floor, show_us(each.floor_us), show_us(each.moved_us),
            span(each.interval_us) if each.interval_us else "-", times(each.ratio),
        )
        for each in heights
    )  # fmt: skip
    return Floors(Words(say("Above the floor: {title}", title=group.title), notes, columns, values), heights)


def _height(row: Row) -> Height:
    found = row.entry["floor"]
    moved_us = float(found["moved_p50_us"])
    interval = quantile_interval(
        row.chosen.by_block(_moved_ns(row)), "p50", PERCENTILES["p50"], round(moved_us * 1e3)
    )
    return Height(
        row.entry["id"], row.name, row.look, row.valid, row.count, short(str(found["name"]).partition(",")[0], 24),
        float(found["p50_us"]),
        moved_us, None if interval is None else (interval[0] / 1e3, interval[1] / 1e3), float(found["ratio"]),
    )  # fmt: skip


def _moved_ns(row: Row) -> Column:
    phases = zip(PHASES, phase_columns(row.chosen.column), strict=True)
    own = [column for name, column in phases if name in MOVING]
    return own[0] + own[1] + own[2] + own[3]


def draw(chart: Floors) -> Figure:
    """A row for each cell: its floor, its marker above it, and the ratio in words."""
    names = [f"{each.name}, n={each.count}" for each in chart.heights]
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + on.ROW_IN * len(names) + 0.65)
    top = heading(drawing, chart.words.title, notes) + 0.05
    axes = place(drawing, on.label_width_in(names), 0.5, 2.6, top)
    on.rows_of_labels(axes, names, [not each.valid for each in chart.heights])
    ends = [
        end for each in chart.heights for end in (each.floor_us, each.moved_us, *(each.interval_us or ()))
    ]
    low, high = max(1e-3, min(ends)) / 1.3, max(ends) * 1.3
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    on.across(axes, on.log_durations(low, high), unit=say("time to move a message, logarithmic"))
    for y, each in enumerate(chart.heights):
        _row(axes, y, each)
    return drawing


def _row(axes: Axes, y: int, each: Height) -> None:
    alpha = 1.0 if each.valid else 0.5
    ends = (each.floor_us, each.moved_us)
    on.line(axes, ends, (y, y), color=QUIET, linewidth=0.8, linestyle=(0, (1.5, 1.5)), alpha=alpha)
    base = on.line(
        axes,
        [each.floor_us] * 2,
        (y - 0.3, y + 0.3),
        color=INK,
        linewidth=2.2,
        solid_capstyle="butt",
        alpha=alpha,
    )
    mark(
        base,
        say(
            "{name}: floor {floor}, {floor_us}",
            name=each.name,
            floor=each.floor,
            floor_us=show_us(each.floor_us),
        ),
    )
    color = each.look.hue.light
    if each.interval_us is not None:
        on.line(
            axes, each.interval_us, (y, y), color=color, linewidth=1.8, marker="|", markersize=7, alpha=alpha
        )
    point = on.line(
        axes, [each.moved_us], [y], color=color, marker=each.look.marker, markersize=7, alpha=alpha
    )
    interval = span(each.interval_us) if each.interval_us else ""
    sure = f" [{interval}]" if interval else ""
    mark(
        point,
        say(
            "{name}: moved in {moved_us}{sure}, {says}",
            name=each.name,
            moved_us=show_us(each.moved_us),
            sure=sure,
            says=each.says,
        ),
    )
    on.beside(axes, axes.get_xlim()[1], y, each.says)
