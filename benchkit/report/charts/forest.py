"""Ratio forest: each cell against the best of its group, with the ratio's interval; a tie looks like one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchkit.analysis.words import times, times_with_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, room_for
from benchkit.report.charts.palette import GROUND, QUIET, Look
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
    look: Look
    ratio: float
    interval: tuple[float, float] | None
    tied: bool
    best: bool
    p50_us: float
    blocks: int
    messages: int
    said: str = ""
    """Why there is no interval, where that is not the number of rounds."""

    @property
    def says(self) -> str:
        """The ratio in words, with its interval."""
        if self.best:
            return f"{show_us(self.p50_us)}, the lowest"
        if self.interval is None:
            return f"{times(self.ratio)}: {self.said or 'too few rounds to tell'}"
        return times_with_interval(self.ratio, self.interval) + (" tie" if self.tied else "")


@dataclass(frozen=True, slots=True)
class Forest:
    """What is drawn: the ranked cells of a group, best first."""

    words: Words
    ratios: tuple[Ratio, ...]
    unit: str = "ratio to the best, logarithmic"


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
        look=row.look,
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
    ticks = [*on.log_ticks(lowest, highest), *([1.1, 1.2] if highest < 1.4 else [])]
    on.across(axes, [(at, f"{at:g}x") for at in ticks], unit=chart.unit)
    on.line(axes, (1, 1), (0, 1), transform=axes.get_xaxis_transform(), color=QUIET, linewidth=0.8)
    for y, each in enumerate(chart.ratios):
        _row(axes, y, each, highest)
    return drawing


def _span(ratios: tuple[Ratio, ...]) -> tuple[float, float]:
    ends = [bound for each in ratios for bound in (each.ratio, *(each.interval or ()))]
    low, high = max(1e-3, min(ends)), min(1e6, max(ends))
    return min(0.9, low / 1.05), max(1.3, high * 1.1)


def _row(axes: Axes, y: int, each: Ratio, right: float) -> None:
    color = each.look.hue.light
    hollow = each.tied and not each.best
    if each.interval is not None and not each.best:
        on.line(
            axes,
            each.interval,
            (y, y),
            color=color,
            linewidth=1.0 if hollow else 2.2,
            marker="|",
            markersize=8,
        )
    point = on.line(
        axes, [each.ratio], [y], linestyle="none", marker=each.look.marker, markersize=7, markeredgewidth=1.5,
        markeredgecolor=color, markerfacecolor=GROUND if hollow else color,
    )  # fmt: skip
    mark(point, f"{each.name}: p50 {show_us(each.p50_us)}, {each.says}")
    on.beside(axes, right, y, each.says)
