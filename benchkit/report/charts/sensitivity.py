"""What a change would buy: capacity as predicted and as confirmed, and what slowing each phase really cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.words import times
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, room_for
from benchkit.report.charts.palette import GROUND, INK, PHASES, QUIET, SHADE
from benchkit.report.excerpt import excerpt, short
from benchkit.report.groups import Group, Row
from benchkit.report.text import rate
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
Interval = tuple[float, float]
MOST_CELLS: Final = 3
MOST_CHANGES: Final = 10
_ROW_IN: Final = 0.23


@dataclass(frozen=True, slots=True)
class Change:
    """One change: how many times today's capacity it gives."""

    name: str
    phase: str
    """That is halved; empty for any other change."""
    predicted: float | None
    measured: float | None
    """None where it was not confirmed."""
    interval: Interval | None
    says: str


@dataclass(frozen=True, slots=True)
class Slope:
    """What one microsecond more in a phase adds to the mean latency, and to the time per message."""

    phase: str
    latency: float | None
    latency_ci: Interval | None
    paid: float | None
    paid_ci: Interval | None
    rounds: int


@dataclass(frozen=True, slots=True)
class Levers:
    """One cell."""

    cell: str
    name: str
    now: str
    """Today's capacity in words."""
    now_interval: Interval | None
    """As shares of it."""
    changes: tuple[Change, ...]
    slopes: tuple[Slope, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What is drawn: a pair of panels for each cell."""

    words: Words
    levers: tuple[Levers, ...]


def sensitivity(group: Group) -> Sensitivity | None:
    """None when no cell of the group has an answer to "what if"."""
    asked = [row for row in group.rows if _has_answer(row.entry.get("what_if"))]
    rows, left_out = room_for(asked, MOST_CELLS)
    if not rows:
        return None
    levers = tuple(_levers(row) for row in rows)
    notes = (
        say(
            "Left: capacity after a change, over today's (band: its 95% interval). Hollow: predicted "
            "from service demands;"
        ),
        say("filled: measured after really making the change, with its 95% interval."),
        say(
            "Right, with 95% intervals: what a microsecond more in a phase adds to the mean latency "
            "(circle), to the"
        ),
        say(
            "time per message (square); 0: off the critical path, 1: paid in full, above 1: it also "
            "causes queueing."
        ),
        *left_out,
    )
    columns = ("cell", "change", "predicted", "measured", "95% interval")
    values = tuple(value for each in levers for value in _values(each))
    return Sensitivity(
        Words(say("What a change would buy: {title}", title=group.title), notes, columns, values), levers
    )


def _has_answer(found: Any) -> bool:
    names = ("predictions", "sensitivity", "confirmed")
    return isinstance(found, Mapping) and any(found.get(name) for name in names)


def _values(each: Levers) -> list[tuple[str, ...]]:
    changes: list[tuple[str, ...]] = [
        (
            each.name,
            change.name,
            _times(change.predicted),
            _times(change.measured),
            _interval(change.interval),
        )
        for change in each.changes
    ]
    for slope in each.slopes:
        for what, value, interval in (
            (named("latency"), slope.latency, slope.latency_ci), (say("time per message"), slope.paid, slope.paid_ci)
        ):  # fmt: skip
            said = say("{phase} slowed: {what} per time added", phase=named(slope.phase), what=what)
            changes.append((each.name, said, "-", _plain(value), _interval(interval)))
    return changes


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else times(ratio)


def _plain(slope: float | None) -> str:
    return "-" if slope is None else f"{slope:.2f}"


def _interval(found: Interval | None) -> str:
    return "-" if found is None else say("{low:.2f} to {high:.2f}", low=found[0], high=found[1])


def _levers(row: Row) -> Levers:
    found = row.entry["what_if"]
    now = found.get("now") or {}
    base = now.get("capacity_per_s")
    confirmed = {each["change"]: each for each in found.get("confirmed", ())}
    changes = [
        _change(each, confirmed.get(each["change"]), row.name) for each in found.get("predictions", ())
    ]
    known = [each for each in changes if each.predicted is not None or each.measured is not None]
    known.sort(key=lambda each: -(each.measured or each.predicted or 0.0))
    interval = now.get("capacity_ci95")
    return Levers(
        row.entry["id"], row.name, "" if base is None else rate(base),
        None if not (interval and base) else (interval[0] / base, interval[1] / base),
        tuple(known[:MOST_CHANGES]),
        tuple(_slope(each) for each in found.get("sensitivity", ()) if each.get("latency") or each.get("throughput")),
    )  # fmt: skip


def _change(predicted: Entry, confirmed: Entry | None, cell: str) -> Change:
    asked = predicted["capacity_per_s"] or {}
    made = (confirmed or {}).get("capacity_per_s") or {}
    ratio = _over(asked.get("predicted"), asked.get("now"))
    measured = _over(made.get("measured"), made.get("now"))
    ends = made.get("ci95")
    interval = None if not ends or not made.get("now") else (ends[0] / made["now"], ends[1] / made["now"])
    name = excerpt(predicted["words"], 60)
    says = say("{cell}: {name}: capacity predicted {times}", cell=cell, name=name, times=_times(ratio))
    if measured is not None:
        says += say(
            ", measured {measured} [{interval}]", measured=times(measured), interval=_interval(interval)
        )
    phase = str(predicted["name"]) if predicted["kind"] == "phase" else ""
    return Change(name, phase, ratio, measured, interval, says)


def _over(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _slope(found: Entry) -> Slope:
    latency, throughput = found.get("latency") or {}, found.get("throughput") or {}
    return Slope(
        short(found["phase"], 20), latency.get("slope"), _pair(latency.get("ci95")),
        throughput.get("per_added"), _pair(throughput.get("per_added_ci95")), int(found.get("rounds", 0)),
    )  # fmt: skip


def _pair(ends: Sequence[float] | None) -> Interval | None:
    return None if ends is None else (ends[0], ends[1])


def draw(chart: Sensitivity) -> Figure:
    """For each cell the changes at the left and the slopes at the right."""
    notes = chart.words.notes
    heights = [_ROW_IN * max(2, len(each.changes), len(each.slopes)) + 0.8 for each in chart.levers]
    drawing = figure(heading_in(notes) + sum(heights))
    upper = heading(drawing, chart.words.title, notes)
    for each, height in zip(chart.levers, heights, strict=True):
        bottom = drawing.get_figheight() - upper - height + 0.48
        _changes(place(drawing, 2.4, bottom, 4.95, upper + 0.25), each)
        _slopes(place(drawing, 6.5, bottom, 0.6, upper + 0.25), each)
        upper += height
    return drawing


def _changes(axes: Axes, each: Levers) -> None:
    on.title(axes, say("{name}; now {now}", name=each.name, now=each.now or say("unknown")))
    known = [
        value for change in each.changes for value in (change.predicted, change.measured) if value is not None
    ]
    known += [end for change in each.changes if change.interval for end in change.interval]
    if not known:
        axes.text(
            0,
            0.5,
            say("no change could be predicted"),
            transform=axes.transAxes,
            size=8,
            color=QUIET,
            va="center",
        )
        return
    axes.set_xlim(min(0.9, *known) * 0.97, max(1.2, *known) * 1.05)
    names = [change.name for change in each.changes]
    on.rows_of_labels(axes, names, [False] * len(names), 8.0)
    low, high = axes.get_xlim()
    ticks = [(at, f"{words}x") for at, words in on.linear(high) if at >= low]
    on.across(axes, ticks, unit=say("times today's capacity"), size=7.5)
    if each.now_interval:
        begin, end = each.now_interval
        band = on.box(
            axes, (begin, 0), end - begin, 1, transform=axes.get_xaxis_transform(), facecolor=SHADE, linewidth=0,
            zorder=0.2,
        )  # fmt: skip
        mark(
            band,
            say(
                "{name}: today {now}, 95% interval {begin:.2f} to {end:.2f} times that",
                name=each.name,
                now=each.now,
                begin=begin,
                end=end,
            ),
        )
    on.line(axes, (1, 1), (0, 1), transform=axes.get_xaxis_transform(), color=QUIET, linewidth=0.8)
    for y, change in enumerate(each.changes):
        _one_change(axes, y, change)


def _one_change(axes: Axes, y: int, change: Change) -> None:
    color = PHASES[change.phase].light if change.phase in PHASES else INK
    if change.predicted is not None:
        point = on.line(
            axes, [change.predicted], [y], marker="D", markersize=6, markerfacecolor=GROUND, markeredgecolor=color,
            markeredgewidth=1.6, linestyle="",
        )  # fmt: skip
        mark(point, change.says)
    if change.measured is not None:
        if change.interval is not None:
            on.line(
                axes, change.interval, (y + 0.22,) * 2, color=INK, linewidth=1.4, marker="|", markersize=5
            )
        done = on.line(axes, [change.measured], [y + 0.22], marker="D", markersize=5, color=INK, linestyle="")
        mark(done, change.says)
    said = _times(change.predicted)
    if change.measured is not None:
        said += say(", measured {measured}", measured=times(change.measured))
    on.beside(axes, axes.get_xlim()[1], y, said, 7.5)


def _slopes(axes: Axes, each: Levers) -> None:
    if not each.slopes:
        axes.text(
            0, 0.5, say("no phase was slowed"), transform=axes.transAxes, size=8, color=QUIET, va="center"
        )
        return
    ends = [end for slope in each.slopes for ci in (slope.latency_ci, slope.paid_ci) if ci for end in ci]
    ends += [value for slope in each.slopes for value in (slope.latency, slope.paid) if value is not None]
    axes.set_xlim(min([-0.25, *ends]), max([1.25, *ends]))
    names = [
        say("{phase}, {rounds} rounds", phase=named(slope.phase), rounds=slope.rounds)
        for slope in each.slopes
    ]
    on.rows_of_labels(axes, names, [False] * len(names), 8.0)
    low, high = axes.get_xlim()
    step = 1.0 if high - low > 3.5 else 0.5
    ticks = [(at * step, f"{at * step:g}") for at in range(int(low / step), int(high / step) + 1)]
    on.across(axes, ticks, unit=say("added per time added"), size=7.5)
    for at in (0, 1):
        on.line(axes, (at, at), (0, 1), transform=axes.get_xaxis_transform(), color=QUIET, linewidth=0.8)
    for y, slope in enumerate(each.slopes):
        color = PHASES[slope.phase].light if slope.phase in PHASES else INK
        pairs = (
            (say("mean latency"), slope.latency, slope.latency_ci, "o", y - 0.15),
            (say("time per message"), slope.paid, slope.paid_ci, "s", y + 0.2),
        )
        for what, value, interval, shape, at_y in pairs:
            if value is None:
                continue
            if interval is not None:
                on.line(axes, interval, (at_y, at_y), color=color, linewidth=1.4, marker="|", markersize=5)
            point = on.line(
                axes,
                [value],
                [at_y],
                marker=shape,
                markersize=5,
                color=color,
                markeredgecolor=INK,
                linestyle="",
            )
            said = say(
                "{name}: {phase} slowed, {what} {value:.2f} per time added",
                name=each.name,
                phase=named(slope.phase),
                what=what,
                value=value,
            )
            mark(point, f"{said} [{_interval(interval)}]")
        said = _plain(slope.latency if slope.latency is not None else slope.paid)
        on.beside(axes, axes.get_xlim()[1], y, said, 7.5)
