"""Ratio forest: each cell against the best of its group, with the ratio's interval; a tie looks like one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchkit.analysis.words import times, times_with_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, place
from benchkit.report.charts.chart import Words, room_for
from benchkit.report.charts.palette import QUIET, marker, transport
from benchkit.report.groups import Group, Row
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 16


@dataclass(frozen=True, slots=True)
class Ratio:
    """One cell's p50 over the best one's; no interval means that nothing is claimed."""

    cell: str
    name: str
    transport: str
    ratio: float
    interval: tuple[float, float] | None
    tied: bool
    best: bool
    p50_us: float
    blocks: int
    messages: int

    @property
    def says(self) -> str:
        """The ratio in words, with its interval."""
        if self.best:
            return f"{show_us(self.p50_us)}, the lowest"
        if self.interval is None:
            return f"{times(self.ratio)}: too few rounds to tell"
        return times_with_interval(self.ratio, self.interval) + (" tie" if self.tied else "")


@dataclass(frozen=True, slots=True)
class Forest:
    """What is drawn: the ranked cells of a group, best first."""

    words: Words
    ratios: tuple[Ratio, ...]


def forest(group: Group) -> Forest | None:
    """None when fewer than two cells may be compared."""
    ranked = [row for row in group.rows if row.place is not None]
    if len(ranked) < 2:
        return None
    rows, left_out = room_for(ranked, MOST_CELLS)
    ratios = tuple(_ratio(row, best=at == 0) for at, row in enumerate(rows))
    out = [row.label for row in group.rows if row.place is None]
    notes = (
        (
            "p50 of each cell over that of the best one; 95% intervals over paired rounds, widened for"
            " the number of pairs (Holm); hollow: a tie."
        ),
        *(
            (f"not compared: {', '.join(out[:4])}{f' and {len(out) - 4} more' if out[4:] else ''}",)
            if out
            else ()
        ),
        *left_out,
    )
    columns = ("cell", "p50", "ratio to the best", "blocks", "messages")
    values = tuple(
        (each.name, show_us(each.p50_us), each.says, str(each.blocks), str(each.messages)) for each in ratios
    )
    return Forest(Words(f"How many times as long: {group.title}", notes, columns, values), ratios)


def _ratio(row: Row, *, best: bool) -> Ratio:
    place_ = row.place or {}
    interval = place_["ratio_ci95"]
    return Ratio(
        cell=row.entry["id"],
        name=row.label,
        transport=row.transport,
        ratio=place_["ratio_to_best"],
        interval=None if interval is None else (interval[0], interval[1]),
        tied=place_["tied_with_best"],
        best=best,
        p50_us=place_["p50_us"],
        blocks=len(row.entry["blocks_detail"]),
        messages=row.entry["latency_us"]["count"],
    )


def draw(chart: Forest) -> Figure:
    """A row for each cell: the interval, the ratio on it, and both in words at the right."""
    names = [f"{each.name}, n={each.messages}" for each in chart.ratios]
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + on.ROW_IN * len(names) + 0.65)
    top = heading(drawing, chart.words.title, notes) + 0.05
    axes = place(drawing, on.label_width_in(names), 0.5, 2.4, top)
    on.rows_of_labels(axes, names, [False] * len(names))
    lowest, highest = _span(chart.ratios)
    axes.set_xscale("log")
    axes.set_xlim(lowest, highest)
    _ratio_ticks(axes, lowest, highest)
    axes.axvline(1, color=QUIET, linewidth=0.8)
    axes.set_xlabel("ratio to the best, logarithmic")
    for y, each in enumerate(chart.ratios):
        _row(axes, y, each, highest)
    return drawing


def _span(ratios: tuple[Ratio, ...]) -> tuple[float, float]:
    ends = [bound for each in ratios for bound in (each.ratio, *(each.interval or ()))]
    low, high = max(1e-3, min(ends)), min(1e6, max(ends))
    return min(0.9, low / 1.05), max(1.3, high * 1.1)


def _row(axes: Axes, y: int, each: Ratio, right: float) -> None:
    color = transport(each.transport).light
    if each.interval is not None and not each.best:
        axes.plot(each.interval, (y, y), color=color, linewidth=2, solid_capstyle="butt")
        axes.plot(each.interval, (y, y), linestyle="none", marker="|", color=color, markersize=8)
    hollow = each.tied and not each.best
    axes.plot(
        [each.ratio], [y], linestyle="none", marker=marker(each.transport), markersize=7, markeredgewidth=1.5,
        markeredgecolor=color, markerfacecolor="none" if hollow else color,
    )  # fmt: skip
    on.beside(axes, right, y, each.says)


def _ratio_ticks(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 12 else (1, 2, 5) if high / low < 120 else (1,)
    ticks = [step * 10.0**power for power in range(-3, 7) for step in steps]
    ticks += [1.1, 1.2] if high < 1.4 else []
    inside = [tick for tick in ticks if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(inside))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}x" for tick in inside]))
    axes.xaxis.set_minor_locator(NullLocator())
