"""The team's figures over releases or months: runs and how they ended, recovery by transport, time to a result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words
from benchkit.report.charts.palette import ALARM, PHASES, QUIET, looks
from benchkit.report.excerpt import short
from benchkit.report.text import clean
from benchkit.units import show_seconds
from benchkit.words import say, word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
MOST_GROUPS: Final = 12
_LEAST_GROUPS: Final = 4
"""A chart has room for so many, so that one bar alone is no wall."""
_PANEL_IN: Final = 1.7
_COLORS: Final = {
    word("passed"): PHASES["compute"].light,
    word("failed"): ALARM,
    word("undecided"): PHASES["reply"].light,
    word("interrupted"): PHASES["transit"].light,
}
_KINDS: Final = (("performance", -0.21), ("stability", 0.21))
_WIDE: Final = 0.36
_MOST_NAMED: Final = 18
"""Beside one panel: down to the bottom of the next one, which has nothing there."""


@dataclass(frozen=True, slots=True)
class Team:
    """What is drawn."""

    words: Words
    groups: tuple[Entry, ...]


def team(told: Entry) -> Team | None:
    """Of the newest groups; None where there are none."""
    groups = tuple(told["groups"][-MOST_GROUPS:])
    if not groups:
        return None
    older = len(told["groups"]) - len(groups)
    notes = (
        say("Left bar: runs for speed; right bar: soaks and runs with faults. Every run counts once."),
        say("Recovery: mean by transport, with the longest above it. Time to a result: the median."),
        *((say("the {older} oldest are left out", older=older),) if older else ()),
    )
    values = tuple((clean(group["name"]), what, value) for group in groups for what, value in _values(group))
    title = say(
        "Measuring, recovery and lead time, by {by}",
        by=say("month") if told["by"] == "month" else say("release"),
    )
    return Team(Words(title, notes, (say("release"), say("figure"), say("value")), values), groups)


def _values(group: Entry) -> Iterator[tuple[str, str]]:
    for kind, _ in _KINDS:
        for name in _COLORS:
            yield f"{kind} {name}", str(group[kind][name])
    for transport, times in group["mttr_s"].items():
        if times["mean"] is not None:
            yield (
                f"MTTR {clean(transport)}",
                f"{show_seconds(times['mean'])} (n={times['n']}, never {times['never']})",
            )
    if group["run_lead_s"]["median"] is not None:
        yield say("takes"), show_seconds(group["run_lead_s"]["median"])
    yield say("caught"), str(group["regressions"]["caught"])


def draw(chart: Team) -> Figure:
    """Three panels beneath each other, releases to the right."""
    notes = chart.words.notes
    panels = (_runs, _recovery, _leads)
    drawing = figure(heading_in(notes) + _PANEL_IN * len(panels) + 0.3)
    top = heading(drawing, chart.words.title, notes)
    height = drawing.get_figheight()
    for at, panel in enumerate(panels):
        upper = top + _PANEL_IN * at
        axes = place(drawing, 0.8, height - upper - _PANEL_IN + 0.2, 1.6, upper + 0.3)
        axes.set_xlim(-0.6, max(_LEAST_GROUPS, len(chart.groups)) - 0.4)
        panel(axes, chart.groups)
        if at == len(panels) - 1:
            names = [
                (float(number), short(str(group["name"]), 11)) for number, group in enumerate(chart.groups)
            ]
            on.across(axes, names, grid=False, size=7.0)
    return drawing


def _runs(axes: Axes, groups: Sequence[Entry]) -> None:
    most = max(group[kind]["runs"] for group in groups for kind, _ in _KINDS)
    axes.set_ylim(0, 1.1 * max(1, most))
    on.upright(axes, [tick for tick in on.linear(1.1 * max(1, most), 4) if tick[0] == int(tick[0])], size=7)
    on.title(axes, say("runs"))
    for at, group in enumerate(groups):
        for kind, beside in _KINDS:
            below = 0
            for name in ("passed", "undecided", "failed", "interrupted"):
                if count := group[kind][name]:
                    corner = (at + beside - _WIDE / 2, below)
                    bar = on.box(axes, corner, _WIDE, count, facecolor=_COLORS[name])
                    mark(bar, f"{group['name']}: {kind}, {name}: {count}")
                    below += count
    _beside(axes, [(say(name), color, "s") for name, color in _COLORS.items()])


def _recovery(axes: Axes, groups: Sequence[Entry]) -> None:
    transports = sorted({name for group in groups for name in group["mttr_s"]})
    longest = max(
        (each["longest"] or 0.0 for group in groups for each in group["mttr_s"].values()), default=0.0
    )
    top = 1.15 * longest or 1.0
    axes.set_ylim(0, top)
    on.upright(axes, _seconds(top), size=7)
    on.title(
        axes, say("time to recover (MTTR)") if longest else say("time to recover (MTTR): no run with faults")
    )
    look = looks(transports)
    for at, group in enumerate(groups):
        for number, transport in enumerate(transports):
            times = group["mttr_s"].get(transport)
            if times is None or times["mean"] is None:
                continue
            x = at + 0.7 * ((number + 0.5) / len(transports) - 0.5)
            color = look[transport].hue.light
            on.line(axes, (x, x), (times["mean"], times["longest"]), color=color, linewidth=1.0)
            dot = on.line(
                axes, [x], [times["mean"]], marker=look[transport].marker, color=color, linestyle=""
            )
            mark(dot, f"{group['name']}: {transport}: {show_seconds(times['mean'])}, n={times['n']}")
    _beside(axes, [(name, look[name].hue.light, look[name].marker) for name in transports])


def _leads(axes: Axes, groups: Sequence[Entry]) -> None:
    known = [(at, group["run_lead_s"]["median"]) for at, group in enumerate(groups)]
    points = [(at, value) for at, value in known if value is not None]
    top = 1.15 * max((value for _, value in points), default=0.0) or 1.0
    axes.set_ylim(0, top)
    on.upright(axes, _seconds(top), size=7)
    on.title(axes, say("from the start of a run to its result"))
    on.line(axes, [at for at, _ in points], [value for _, value in points], color=QUIET, linewidth=1.0)
    for at, value in points:
        dot = on.line(axes, [at], [value], marker="o", markersize=4, color=QUIET, linestyle="")
        mark(dot, f"{groups[at]['name']}: {show_seconds(value)}, n={groups[at]['run_lead_s']['n']}")


def _seconds(top: float) -> list[tuple[float, str]]:
    return [(at, show_seconds(at) if at else "0") for at, _ in on.linear(top, 4)]


def _beside(axes: Axes, names: Sequence[tuple[str, str, str]]) -> None:
    """What the colours and marks are, at the right of the panel and beneath it."""
    shown = names if len(names) <= _MOST_NAMED else names[: _MOST_NAMED - 1]
    for row, (name, color, marker) in enumerate(shown):
        look = {"transform": axes.transAxes, "color": color, "clip_on": False, "linestyle": ""}
        on.line(axes, [1.03], [0.9 - 0.13 * row], marker=marker, markersize=6, **look)
        axes.text(1.055, 0.9 - 0.13 * row, short(name, 16), transform=axes.transAxes, size=7.5, va="center")
    if rest := len(names) - len(shown):
        more = say("and {rest} more", rest=rest)
        axes.text(1.055, 0.9 - 0.13 * len(shown), more, transform=axes.transAxes, size=7.5, va="center")
