"""Latency over time, block after block, the warm-up shaded, lateness beneath: was the cell steady?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column, latency_ns
from benchkit.analysis.quantiles import median
from benchkit.analysis.strips import Layout, layout
from benchkit.records.samples import Samples, Status
from benchkit.report.charts import axes as on
from benchkit.report.charts import happenings
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, not_measured, room_for
from benchkit.report.charts.palette import ALARM, QUIET, SHADE, Look
from benchkit.report.groups import Group, Row
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 5
_POINTS: Final = 180
"""Pieces of a cell's time: each is drawn by its median and its maximum."""
_LEAST_PIECES: Final = 8
"""Of a block; where not all blocks have room for so many, windows of several blocks are drawn instead."""
_MARKS: Final = 100
_ROW_IN: Final = 1.78


@dataclass(frozen=True, slots=True)
class Stretch:
    """One block in pieces: seconds from its first due moment, latency and lateness in microseconds."""

    block: int
    start_s: float
    """Where it begins on the axis: blocks stand side by side, without what ran between them."""
    length_s: float
    warmup_s: float
    at_s: tuple[float, ...]
    median_us: tuple[float, ...]
    max_us: tuple[float, ...]
    lateness_us: tuple[float, ...]
    """The largest of each piece."""
    largest_at_s: tuple[float, ...]
    """When the message of each maximum was due."""
    undelivered_s: tuple[float, ...]
    """When messages were due that never arrived, at most a hundred."""


@dataclass(frozen=True, slots=True)
class Track:
    """One cell."""

    cell: str
    name: str
    look: Look
    valid: bool
    count: int
    warmup: int
    unsettled: int
    """Blocks in which no end of the warm-up was found."""
    undelivered: int
    stretches: tuple[Stretch, ...]
    events: tuple[happenings.Happening, ...]
    """The longest, by moment."""
    seen: tuple[tuple[str, int], ...]
    """How many there were of each kind, drawn or not."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is drawn: a pair of axes for each cell."""

    words: Words
    tracks: tuple[Track, ...]


def timeline(group: Group) -> Timeline | None:
    """None when no cell has a message to show."""
    timed = [row for row in group.measured if row.samples["due"].any()]
    rows, left_out = room_for(timed, MOST_CELLS)
    if not rows:
        return None
    tracks = tuple(_track(row) for row in rows)
    notes = (
        f"At most {_POINTS} pieces of each cell's time: median (line) and maximum (band) of a piece.",
        "Blocks side by side; shaded: warm-up, not counted (many blocks: left out).",
        "Beneath each: lateness, how long after it was due the producer turned to a message (largest).",
        *([happenings.LEGEND] if any(track.events for track in tracks) else []),
        *left_out,
        *not_measured(group.rows),
    )
    columns = (
        "cell",
        "messages",
        "warm-up",
        "not delivered",
        "block medians",
        "largest latency",
        "largest lateness",
        "events",
    )
    values = tuple(_values(track, row) for track, row in zip(tracks, rows, strict=True))
    return Timeline(Words(f"Latency over time: {group.title}", notes, columns, values), tracks)


def _values(track: Track, row: Row) -> tuple[str, ...]:
    details = row.entry["blocks_detail"]
    medians = ", ".join(show_us(detail["p50_us"]) for detail in details[:8]) + (
        ", ..." if details[8:] else ""
    )
    late = show_us(row.entry["load"]["lateness_us"]["max"])
    return (
        track.name, str(track.count), str(track.warmup), str(track.undelivered), medians,
        show_us(row.entry["latency_us"]["max"]), late, _counted(track) or "-",
    )  # fmt: skip


def _counted(track: Track) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in track.seen)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Scheduled messages in the order in which they were due, shape (n,) each."""

    due_ns: Column
    latency_ns: Column
    lateness_ns: Column
    arrived: npt.NDArray[np.bool_]
    warmup: npt.NDArray[np.bool_]


def _track(row: Row) -> Track:
    found = layout(row.samples if row.all_samples is None else row.all_samples)
    counts = _Counts()
    drawn = _by_block if len(found.numbers) * _LEAST_PIECES <= _POINTS else _by_window
    stretches = drawn(found, counts)
    events, seen = happenings.happenings(row, counts.begins)
    unsettled = sum(not detail.get("warmup_settled", True) for detail in row.entry["blocks_detail"])
    return Track(
        row.entry["id"], row.name, row.look, row.valid, row.entry["latency_us"]["count"],
        counts.warmup, unsettled, counts.undelivered, tuple(stretches), events, seen,
    )  # fmt: skip


@dataclass(slots=True)
class _Counts:
    warmup: int = 0
    undelivered: int = 0
    begins: dict[int, tuple[float, int, float]] = field(default_factory=dict)
    """Of each block: where it stands on the axis (s), its first due moment (ns), how much of the axis it has (s)."""

    def see(self, own: _Columns) -> None:
        self.warmup += int(np.count_nonzero(own.warmup))
        self.undelivered += int(np.count_nonzero(~own.arrived))


def _by_block(found: Layout, counts: _Counts) -> list[Stretch]:
    """A block is a stretch."""
    stretches: list[Stretch] = []
    start, most = 0.0, max(_LEAST_PIECES, _POINTS // max(1, len(found.numbers)))
    for at, number in enumerate(found.numbers.tolist()):
        own = _columns(found.block(at))
        if len(own.due_ns):
            counts.see(own)
            stretches.append(_stretch(own, number, start, most))
            counts.begins[number] = (start, int(own.due_ns[0]), stretches[-1].length_s)
            start += stretches[-1].length_s * 1.04
    return stretches


def _by_window(found: Layout, counts: _Counts) -> list[Stretch]:
    """One stretch of as many windows as there is room for; a window is some neighbouring blocks, warm-up left out.

    Only one window's messages are in memory at once. The axis is measured time: what ran between blocks,
    interruptions too, is left out.
    """
    windows: dict[str, list[float]] = {
        name: [] for name in ("at_s", "median_us", "max_us", "lateness_us", "largest_at_s")
    }
    undelivered: list[float] = []
    start = 0.0
    for blocks in np.array_split(np.arange(len(found.numbers)), _POINTS):
        own = _columns(found.samples[found.starts[blocks[0]] : found.starts[blocks[-1] + 1]])
        counts.see(own)
        spans = [_span_s(found.block(at)) for at in blocks.tolist()]
        middle, start = start + sum(spans) / 2, start + sum(spans)
        counts.begins.update(dict.fromkeys(found.numbers[blocks].tolist(), (middle, 0, 0.0)))
        shown = own.arrived & ~own.warmup
        if not own.arrived.all():
            undelivered.append(middle)
        if shown.any():
            windows["at_s"].append(middle)
            windows["largest_at_s"].append(middle)
            windows["median_us"].append(float(np.median(own.latency_ns[shown])) / 1e3)
            windows["max_us"].append(float(own.latency_ns[shown].max()) / 1e3)
            windows["lateness_us"].append(float(own.lateness_ns[shown].max()) / 1e3)
    drawn = {name: tuple(values) for name, values in windows.items()}
    return [
        Stretch(
            block=int(found.numbers[0]), start_s=0.0, length_s=max(1e-6, start), warmup_s=0.0,
            undelivered_s=tuple(undelivered[:_MARKS]), **drawn,
        )
    ]  # fmt: skip


def _span_s(samples: Samples) -> float:
    due = samples["due"][samples["due"] != 0]
    return float(due.max() - due.min()) / 1e9 if len(due) else 0.0


def _columns(samples: Samples) -> _Columns:
    """The scheduled messages of some blocks, in the order in which they were due."""
    due = samples["due"]
    own = samples
    if not due.all() or np.any(np.diff(due) < 0):
        rows = np.flatnonzero(due)
        own = samples[rows[np.argsort(due[rows], kind="stable")]]
    return _Columns(
        own["due"], latency_ns(own), np.maximum(own["taken"] - own["due"], 0),
        own["status"] == Status.DELIVERED, own["warmup"],
    )  # fmt: skip


def _stretch(own: _Columns, number: int, start: float, pieces: int) -> Stretch:
    since = own.due_ns - own.due_ns[0]
    measured = since[~own.warmup]
    lost = since[~own.arrived]
    return Stretch(
        block=number,
        start_s=start,
        length_s=max(1e-6, float(since[-1]) / 1e9),
        warmup_s=float(measured[0] if len(measured) else since[-1]) / 1e9 if own.warmup.any() else 0.0,
        **_pieces(since[own.arrived], own.latency_ns[own.arrived], own.lateness_ns[own.arrived], pieces),
        undelivered_s=tuple((lost[:: max(1, -(-len(lost) // _MARKS))] / 1e9).tolist()),
    )


def _pieces(since: Column, latency: Column, lateness: Column, most: int) -> dict[str, tuple[float, ...]]:
    cuts = list(_cuts(len(since), most))
    largest = [cut.start + int(latency[cut].argmax()) for cut in cuts]
    return {
        "at_s": tuple(float(since[(cut.start + cut.stop - 1) // 2]) / 1e9 for cut in cuts),
        "median_us": tuple(median(latency[cut]) / 1e3 for cut in cuts),
        "max_us": tuple((latency[largest] / 1e3).tolist()),
        "lateness_us": tuple(float(lateness[cut].max()) / 1e3 for cut in cuts),
        "largest_at_s": tuple((since[largest] / 1e9).tolist()),
    }


def _cuts(count: int, most: int) -> Iterator[slice]:
    pieces = min(count, most)
    for at in range(pieces):
        yield slice(count * at // pieces, count * (at + 1) // pieces)


def draw(chart: Timeline) -> Figure:
    """For each cell latency above and lateness below, on one axis of time."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + _ROW_IN * len(chart.tracks) + 0.35)
    top = heading(drawing, chart.words.title, notes)
    height = drawing.get_figheight()
    for at, track in enumerate(chart.tracks):
        upper = top + _ROW_IN * at
        above = place(drawing, 0.8, height - upper - 1.08, 0.15, upper + 0.25)
        below = place(drawing, 0.8, height - upper - 1.43, 0.15, upper + 1.13)
        last = track.stretches[-1]
        for axes in (above, below):
            axes.set_xlim(0, last.start_s + last.length_s * 1.01)
        _latency(above, track)
        _late(below, track)
        unit = "measured time, s" if at == len(chart.tracks) - 1 else ""
        on.across(below, on.linear(below.get_xlim()[1], 8), unit=unit, grid=False, size=7)
    return drawing


def _latency(axes: Axes, track: Track) -> None:
    unsettled = f", {track.unsettled} block(s) never settled" if track.unsettled else ""
    warm = f"{track.warmup} of warm-up shaded{unsettled}"
    lost = f", {track.undelivered} not delivered (ticks on top)" if track.undelivered else ""
    seen = f"; events: {_counted(track)}" if track.seen else ""
    on.title(axes, f"{track.name}, n={track.count}, {warm}{lost}{seen}")
    values = [value for stretch in track.stretches for value in (*stretch.median_us, *stretch.max_us)]
    low = max(0.01, min(values, default=1.0))
    high = max(2 * low, *values) if values else 2 * low
    axes.set_yscale("log")
    axes.set_ylim(low / 1.3, high * 1.3)
    on.upright(axes, on.log_durations(low / 1.3, high * 1.3), size=7)
    for stretch in track.stretches:
        _mark(axes, stretch)
        _band(axes, track, stretch)
    for each in track.events:
        happenings.draw(axes, each)


def _band(axes: Axes, track: Track, stretch: Stretch) -> None:
    """Median as a line, maximum as a band above it, and what is known of the largest of all."""
    from matplotlib.collections import PolyCollection

    if stretch.at_s:
        at = [stretch.start_s + each for each in stretch.at_s]
        hue = track.look.hue.light
        outline = [
            *zip(at, stretch.max_us, strict=True),
            *zip(at[::-1], stretch.median_us[::-1], strict=True),
        ]
        axes.add_artist(PolyCollection([outline], facecolors=hue, linewidths=0, alpha=0.3))
        on.line(axes, at, stretch.median_us, color=hue, linewidth=1.2)
        most = max(range(len(at)), key=lambda piece: stretch.max_us[piece])
        said = f"{track.name}, block {stretch.block}: largest {show_us(stretch.max_us[most])}"
        on.spot(
            axes,
            at[most],
            stretch.max_us[most],
            f"{said}, due {stretch.largest_at_s[most]:.3f} s into the block",
        )
    for lost_s in stretch.undelivered_s:
        x = stretch.start_s + lost_s
        on.line(axes, (x, x), (0.93, 1), transform=axes.get_xaxis_transform(), color=ALARM, linewidth=0.8)


def _late(axes: Axes, track: Track) -> None:
    largest = max((value for stretch in track.stretches for value in stretch.lateness_us), default=0.0)
    axes.set_ylim(0, max(largest, 1.0))
    for stretch in track.stretches:
        _mark(axes, stretch)
        at = [stretch.start_s + each for each in stretch.at_s]
        lines = [((x, 0.0), (x, y)) for x, y in zip(at, stretch.lateness_us, strict=True)]
        _bars(axes, lines)
    place_ = on.moved(axes, axes.transAxes, right=-4)
    said = axes.text(
        0, 0.5, f"late {show_us(largest)}", transform=place_, ha="right", va="center", size=7, color=QUIET
    )
    mark(said, f"{track.name}: largest lateness {show_us(largest)}")


def _bars(axes: Axes, lines: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    from matplotlib.collections import LineCollection

    axes.add_artist(LineCollection(lines, colors=QUIET, linewidths=1.4))


def _mark(axes: Axes, stretch: Stretch) -> None:
    """Where a block begins, and its warm-up."""
    whole = axes.get_xaxis_transform()
    on.line(axes, (stretch.start_s,) * 2, (0, 1), transform=whole, color=QUIET, linewidth=0.6, zorder=1)
    if stretch.warmup_s:
        on.box(
            axes,
            (stretch.start_s, 0),
            stretch.warmup_s,
            1,
            transform=whole,
            facecolor=SHADE,
            linewidth=0,
            zorder=0.2,
        )
