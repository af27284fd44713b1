"""A trial around its fault: what got done and how late it was, with the moments that count marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchkit.analysis.recovery.series import Series, series
from benchkit.records.faults import Trial, Trials
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.letters import width_in
from benchkit.report.charts.palette import ALARM, GRID, INK, QUIET, SHADE, Look, looks
from benchkit.report.excerpt import excerpt
from benchkit.report.faults import cell_names, outcome, seconds
from benchkit.report.text import rate
from benchkit.units import show_us
from benchkit.words import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
MOST_TRIALS: Final = 8
_POINTS: Final = 400
_ROW_IN: Final = 2.2
_HEIGHTS: Final = 3
"""Lines in which the names of moments stand."""
_ORDER: Final = ("broken", "undecided", "allowed", "kept", "invalid")
"""Whose trials are drawn first where there is no room for all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A line across both panels."""

    at_s: float
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Track:
    """One trial; a window is a point, in seconds from the injection."""

    title: str
    look: Look
    window_s: float
    at_s: tuple[float, ...]
    done_per_s: tuple[float, ...]
    due_per_s: tuple[float, ...]
    p50_us: tuple[float, ...]
    """NaN where nothing that was due in the window was ever delivered."""
    p99_us: tuple[float, ...]
    limit_us: float | None
    """Upper end of the control's band."""
    moments: tuple[Moment, ...]
    missing_s: tuple[float, ...]
    """Windows with messages that never came."""


@dataclass(frozen=True, slots=True)
class Outages:
    """What is drawn."""

    words: Words
    tracks: tuple[Track, ...]


def outages(document: Entry, trials: Trials | None) -> Outages | None:
    """One trial of each cell of the matrix, those in which something broke first."""
    found = document.get("faults")
    if not found or trials is None:
        return None
    by_number = {each.number: each for each in trials.all}
    told = {each["number"]: each for each in found["trials"]}
    chosen = [
        (each, number)
        for each in sorted(found["matrix"], key=lambda each: _ORDER.index(outcome(each).code))
        if (number := _worst(each, told)) in by_number
    ]
    if not chosen:
        return None
    look = looks(each["transport"] for each in found["matrix"])
    names = cell_names(document["cells"], found["matrix"])
    tracks = tuple(
        _track(
            by_number[number],
            told[number],
            trials.read,
            look[each["transport"]],
            names[each["cell"]],
        )
        for each, number in chosen[:MOST_TRIALS]
    )
    left = [f"{excerpt(each['fault'], 60)}, {names[each['cell']]}" for each, _ in chosen[MOST_TRIALS:]]
    return Outages(_words(tracks, [told[number] for _, number in chosen[:MOST_TRIALS]], left), tracks)


def _worst(each: Entry, told: Mapping[int, Entry]) -> int:
    """The trial that broke something; else the valid one that took longest."""

    def rank(number: int) -> tuple[bool, bool, float]:
        trial = told[number]
        took = (trial["recovery"] or {}).get("steady_s")
        return trial["valid"], trial["held"] is False, float("inf") if took is None else took

    return int(max(each["numbers"], key=rank))


def _track(trial: Trial, told: Entry, read: Callable[[Trial], Any], look: Look, name: str) -> Track:
    found = _thinned(series(trial, read(trial)), trial)
    origin = trial.injected_ns or trial.before_from_ns
    middle = (found.starts_ns - origin + found.window_ns // 2) / 1e9
    band = (told["recovery"] or {}).get("band")
    per_s = 1e9 / found.window_ns
    return Track(
        title=say(
            "{fault}, {moment}, {cell}: trial {number}, {count} messages",
            fault=excerpt(told["label"], 50), moment=excerpt(told["moment"], 30), cell=name, number=trial.number,
            count=told["account"]["attempted"],
        ),
        look=look,
        window_s=found.window_ns / 1e9,
        at_s=tuple(middle.tolist()),
        done_per_s=tuple((found.done * per_s).tolist()),
        due_per_s=tuple((found.offered * per_s).tolist()),
        p50_us=tuple((found.p50_ns / 1e3).tolist()),
        p99_us=tuple((found.p99_ns / 1e3).tolist()),
        limit_us=band["latency_ns"] / 1e3 if band else None,
        moments=tuple(_moments(told)),
        missing_s=tuple(middle[found.missing > 0].tolist()),
    )  # fmt: skip


def _thinned(found: Series, trial: Trial) -> Series:
    """The windows around the fault, where there are more than fit."""
    if len(found) <= _POINTS:
        return found
    first = max(0, int(np.searchsorted(found.starts_ns, trial.injected_ns)) - _POINTS // 4)
    kept = slice(first, first + _POINTS)
    return Series(
        found.starts_ns[kept], found.window_ns, found.offered[kept], found.missing[kept], found.p50_ns[kept],
        found.p99_ns[kept], found.done[kept], found.backlog[kept],
    )  # fmt: skip


def _moments(told: Entry) -> list[Moment]:
    way = told["recovery"] or {}
    found = [Moment(0.0, say("injected"), ALARM)]
    if told["healed_s"]:
        found.append(Moment(told["healed_s"], say("undone"), QUIET))
    if way.get("detect_s") is not None:
        by = excerpt(way["detected_by"], 20)
        found.append(Moment(way["detect_s"], say("noticed by {by}", by=by), INK))
    if way.get("first_success_s") is not None:
        found.append(Moment(way["first_success_s"], say("first success"), INK))
    if way.get("steady_s") is not None:
        found.append(Moment(way["steady_s"], say("steady"), INK))
    return sorted(found, key=lambda each: each.at_s)


def _words(tracks: Sequence[Track], told: Sequence[Entry], left: Sequence[str]) -> Words:
    notes = (
        say(
            "Above: messages done per second, grey what was due. Below: latency from due of the messages due then, "
            "median and p99."
        ),
        say(
            "Shaded: the control's band. Ticks at the foot: windows with messages that never came. A point is a "
            "window; times count from the injection."
        ),
        *left_out(list(left)),
    )
    columns = (
        say("trial"), say("noticed after"), say("first success after"), say("steady after"), say("undone after"),
        say("largest p99"), say("most waiting"), say("what shows that it bit"),
    )  # fmt: skip
    values = tuple(_value(track, each) for track, each in zip(tracks, told, strict=True))
    return Words(say("Trials around their fault"), notes, columns, values)


def _value(track: Track, told: Entry) -> tuple[str, ...]:
    way = told["recovery"] or {}
    known = [each for each in track.p99_us if each == each]
    return (
        track.title, seconds(way.get("detect_s")), seconds(way.get("first_success_s")), seconds(way.get("steady_s")),
        seconds(told["healed_s"]), show_us(max(known)) if known else "-", str(way.get("backlog_most", "-")),
        excerpt(told["proof"], 120) or "-",
    )  # fmt: skip


def draw(chart: Outages) -> Figure:
    """For each trial throughput above and latency below, on one axis of time."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + _ROW_IN * len(chart.tracks) + 0.3)
    top = heading(drawing, chart.words.title, notes)
    height = drawing.get_figheight()
    for at, track in enumerate(chart.tracks):
        upper = top + _ROW_IN * at
        above = place(drawing, 0.8, height - upper - 1.1, 0.2, upper + 0.6)
        below = place(drawing, 0.8, height - upper - 1.9, 0.2, upper + 1.22)
        ends = (min(track.at_s, default=0.0), max(track.at_s, default=1.0))
        for axes in (above, below):
            axes.set_xlim(ends[0] - track.window_s / 2, ends[1] + track.window_s / 2)
        _done(above, track)
        _late(below, track)
        _cross(above, below, track)
        on.title(on_top(drawing, height, upper), track.title)
        unit = say("seconds from the injection") if at == len(chart.tracks) - 1 else ""
        on.across(below, _seconds(*below.get_xlim()), unit=unit, grid=False, size=7)
    return drawing


def on_top(drawing: Figure, height: float, upper: float) -> Axes:
    """Axes of no height, where a trial's title stands."""
    return place(drawing, 0.8, height - upper - 0.23, 0.2, upper + 0.22)


def _seconds(low: float, high: float) -> list[tuple[float, str]]:
    step = next(
        (each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / each <= 12), 200
    )
    first = int(np.ceil(low / step))
    return [(at * step, f"{at * step:g}") for at in range(first, int(high // step) + 1)]


def _done(axes: Axes, track: Track) -> None:
    most = 1.1 * max((*track.done_per_s, *track.due_per_s), default=1.0) or 1.0
    axes.set_ylim(0, most)
    on.upright(axes, [(at, rate(at) if at else "0") for at, _ in on.linear(most, 3)], size=7)
    on.line(axes, track.at_s, track.due_per_s, color=GRID, linewidth=3.0, zorder=1)
    on.line(axes, track.at_s, track.done_per_s, color=track.look.hue.light, linewidth=1.3, zorder=2)
    if track.done_per_s:
        top = max(range(len(track.at_s)), key=lambda at: track.done_per_s[at])
        said = say("{title}: at most {per_s}", title=track.title, per_s=rate(track.done_per_s[top]))
        on.spot(axes, track.at_s[top], track.done_per_s[top], said)


def _late(axes: Axes, track: Track) -> None:
    values = [each for each in (*track.p50_us, *track.p99_us) if each == each and each > 0]
    low = max(0.1, min(values, default=1.0)) / 1.3
    high = max(2 * low, *values, track.limit_us or 0.0) * 1.3 if values else 2 * low
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    on.upright(axes, on.log_durations(low, high)[:: max(1, len(on.log_durations(low, high)) // 4)], size=7)
    if track.limit_us is not None:
        left, right = axes.get_xlim()
        shaded = on.box(
            axes,
            (left, low),
            right - left,
            max(track.limit_us - low, 0),
            facecolor=SHADE,
            linewidth=0,
            zorder=0.2,
        )
        mark(
            shaded,
            say("{title}: in the band up to {limit}", title=track.title, limit=show_us(track.limit_us)),
        )
    on.line(axes, track.at_s, track.p50_us, color=track.look.hue.light, linewidth=1.3)
    on.line(
        axes, track.at_s, track.p99_us, color=track.look.hue.light, linewidth=0.8, linestyle=(0, (3, 1.5))
    )
    for at_s in track.missing_s:
        on.line(
            axes, (at_s, at_s), (0, 0.07), transform=axes.get_xaxis_transform(), color=ALARM, linewidth=0.9
        )


def _cross(above: Axes, below: Axes, track: Track) -> None:
    """Lines through both panels, their names over them, as many lines high as they need."""
    left, right = above.get_xlim()
    inches = above.get_position().width * WIDTH_IN / (right - left)
    ends = [-1.0] * _HEIGHTS
    for each in track.moments:
        for axes in (above, below):
            on.line(
                axes, (each.at_s, each.at_s), (0, 1), transform=axes.get_xaxis_transform(), color=each.color,
                linewidth=0.9, linestyle=(0, (2, 1.5)), zorder=2.5,
            )  # fmt: skip
        wide, at = width_in(each.name, 7) + 0.08, (each.at_s - left) * inches
        late = at + wide > (right - left) * inches
        begin = at - wide if late else at
        height = next((free for free, end in enumerate(ends) if end <= begin), _HEIGHTS - 1)
        ends[height] = begin + wide
        over = on.moved(above, above.get_xaxis_transform(), up=2 + 8.5 * height)
        drawn = above.text(
            each.at_s, 1, each.name, transform=over, ha="right" if late else "left", va="bottom", size=7,
            color=each.color,
        )  # fmt: skip
        mark(
            drawn,
            say("{title}: {name} after {after}", title=track.title, name=each.name, after=seconds(each.at_s)),
        )
