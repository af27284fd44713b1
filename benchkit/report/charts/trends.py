"""Trend: the p50 of each cell across runs, where it changed for good, which runs are baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from benchkit.analysis.trend import Point, Track
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.palette import ALARM, GROUND, INK, QUIET, Look, looks
from benchkit.report.excerpt import excerpt, short
from benchkit.report.text import span
from benchkit.units import show_us
from benchkit.words import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TRACKS: Final = 6
MOST_RUNS: Final = 60
_ROW_IN: Final = 1.25


@dataclass(frozen=True, slots=True)
class Panel:
    """One cell."""

    track: Track
    name: str
    look: Look


@dataclass(frozen=True, slots=True)
class Trends:
    """What is drawn: a panel for each cell, all on one axis of runs."""

    words: Words
    panels: tuple[Panel, ...]
    runs: tuple[int, int]
    """Places of the first and the last run drawn."""
    days: tuple[str, ...]
    """When each of these runs started: month, day, hour and minute."""


def trends(title: str, tracks: Sequence[Track]) -> Trends | None:
    """None when no cell is in two runs; the newest runs are drawn where there are many."""
    if not tracks:
        return None
    tracks = sorted(tracks, key=lambda track: -len(track.points))
    last = max(track.points[-1].run for track in tracks)
    first = max(0, last - MOST_RUNS + 1)
    look = looks(track.transport for track in tracks)
    panels = tuple(
        Panel(track, f"{short(track.label)}, {short(track.group)}", look[track.transport])
        for track in tracks[:MOST_TRACKS]
    )
    days = {
        point.run: short(point.started_utc[5:16].replace("T", " "), 16)
        for track in tracks
        for point in track.points
    }
    left = [short(track.label) for track in tracks[MOST_TRACKS:]]
    notes = (
        say(
            "p50 of each run with its 95% interval, oldest first; each cell has a logarithmic scale of "
            "its own."
        ),
        say(
            "Hollow: not valid. Ringed: a baseline. Upright line: a change for good; level: the median "
            "before and after."
        ),
        *left_out(left),
        *((say("the {first} oldest runs are left out", first=first),) if first else ()),
        *(_machines(tracks)),
    )
    columns = (
        "cell",
        "run",
        "started",
        "p50",
        "95% interval",
        "messages",
        "valid",
        "baseline",
        say("change begins"),
    )
    values = tuple(value for panel in panels for value in _values(panel))
    return Trends(
        Words(say("Trend: {title}", title=excerpt(title, 100)), notes, columns, values), panels, (first, last),
        tuple(days.get(run, "") for run in range(first, last + 1)),
    )  # fmt: skip


def _machines(tracks: Sequence[Track]) -> Sequence[str]:
    count = len({point.fingerprint for track in tracks for point in track.points})
    return (
        ()
        if count == 1
        else (
            say("{count} machines or software versions: a step between them is not the code's", count=count),
        )
    )


def _values(panel: Panel) -> list[tuple[str, ...]]:
    return [
        (
            panel.name, short(point.name), short(point.started_utc), show_us(point.p50_us),
            span(point.interval_us) if point.interval_us else "-", str(point.count),
            "yes" if point.valid else "no", "yes" if point.baseline else "-",
            "yes" if at in panel.track.changes else "-",
        )
        for at, point in enumerate(panel.track.points)
    ]  # fmt: skip


def draw(chart: Trends) -> Figure:
    """The cells beneath each other, the runs to the right."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + _ROW_IN * len(chart.panels) + 0.4)
    top = heading(drawing, chart.words.title, notes)
    height = drawing.get_figheight()
    first, last = chart.runs
    for at, panel in enumerate(chart.panels):
        upper = top + _ROW_IN * at
        axes = place(drawing, 0.8, height - upper - _ROW_IN + 0.08, 0.2, upper + 0.27)
        axes.set_xlim(first - 0.5, last + 0.5)
        _panel(axes, panel, first)
        if at == len(chart.panels) - 1:
            on.across(axes, _ticks(chart), unit=say("run, by when it started (UTC)"), grid=False, size=7.5)
    return drawing


def _ticks(chart: Trends) -> list[tuple[float, str]]:
    first, last = chart.runs
    every = max(1, -(-(last - first + 1) // 8))
    return [(run, chart.days[run - first]) for run in range(first, last + 1, every)]


def _panel(axes: Axes, panel: Panel, first: int) -> None:
    points = [point for point in panel.track.points if point.run >= first]
    counts = [point.count for point in points]
    sizes = (
        f"n={min(counts)}"
        if min(counts) == max(counts)
        else say("n={least} to {most}", least=min(counts), most=max(counts))
    )
    on.title(axes, say("{name}, {points} runs, {sizes}", name=panel.name, points=len(points), sizes=sizes))
    ends = [end for point in points for end in (point.p50_us, *(point.interval_us or ()))]
    low, high = min(ends), max(ends)
    ratio = max(1.1, high / max(low, 1e-3)) ** 0.12
    axes.set_yscale("log")
    axes.set_ylim(max(low, 1e-3) / ratio, high * ratio)
    on.upright(axes, _scale(low, high), size=7)
    for point in points:
        _point(axes, panel, point)
    _changes(axes, panel, first)


def _scale(low: float, high: float) -> list[tuple[float, str]]:
    return [(at, show_us(at)) for at in ((low, high) if high > low * 1.02 else (high,))]


def _point(axes: Axes, panel: Panel, point: Point) -> None:
    color = panel.look.hue.light
    if point.interval_us is not None:
        bar = {"linewidth": 1.2, "marker": "_", "markersize": 4}
        on.line(axes, (point.run, point.run), point.interval_us, color=color, **bar)
    drawn = on.line(
        axes, [point.run], [point.p50_us], marker=panel.look.marker, markersize=5.5, linestyle="", color=color,
        markerfacecolor=color if point.valid else GROUND, markeredgecolor=color,
    )  # fmt: skip
    if point.baseline:
        on.line(
            axes, [point.run], [point.p50_us], marker="o", markersize=12, linestyle="", markerfacecolor="none",
            markeredgecolor=INK,
        )  # fmt: skip
    interval = f" [{span(point.interval_us)}]" if point.interval_us else ""
    said = f"{panel.name}, {short(point.name)}: p50 {show_us(point.p50_us)}{interval}, n={point.count}"
    mark(
        drawn,
        said + ("" if point.valid else say(", not valid")) + (say(", baseline") if point.baseline else ""),
    )


def _changes(axes: Axes, panel: Panel, first: int) -> None:
    """A line where each new level begins, and the level on either side."""
    points, changes = panel.track.points, panel.track.changes
    bounds = [0, *changes, len(points)]
    for begin, end in pairwise(bounds):
        own = [point for point in points[begin:end] if point.run >= first]
        if changes and own:
            level = median(point.p50_us for point in own)
            on.line(axes, (own[0].run - 0.3, own[-1].run + 0.3), (level, level), color=QUIET, linewidth=0.8)
    for at in changes:
        one, other = points[at - 1], points[at]
        if other.run > first:
            x = (one.run + other.run) / 2
            step = on.line(
                axes, (x, x), (0, 1), transform=axes.get_xaxis_transform(), color=ALARM, linewidth=1.2,
                linestyle=(0, (4, 2)),
            )  # fmt: skip
            mark(
                step,
                say(
                    "{cell}: changed between {one} and {other}",
                    cell=panel.name,
                    one=short(one.name),
                    other=short(other.name),
                ),
            )
