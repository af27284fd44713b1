"""Freshness and goodput: how late messages are, how old what is known is, and which part of the messages that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.goodput_words import show_share
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, room_for
from benchkit.report.charts.palette import ALARM, GROUND, INK, QUIET, SHADE, Look
from benchkit.report.excerpt import excerpt, short
from benchkit.report.freshness import FRESH, MOST_SETS, fresh_row, fresh_sets
from benchkit.report.groups import Entry, Group, Row
from benchkit.units import show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 16
_SHARES_IN: Final = 1.75
"""Width of the panel of shares."""
_WORDS_IN: Final = 0.55


@dataclass(frozen=True, slots=True)
class Fresh:
    """One cell."""

    cell: str
    name: str
    look: Look
    valid: bool
    messages: int
    latency_us: tuple[float | None, float | None]
    """p50, and p99 or the largest."""
    stale_us: tuple[float | None, float | None]
    """Mean and p99 over time."""
    in_time: float
    """Share of the scheduled messages."""
    late: float
    """Delivered, and after the deadline."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is drawn."""

    words: Words
    cells: tuple[Fresh, ...]
    deadlines_us: tuple[float, ...]


def freshness(groups: Sequence[Group], document: Entry) -> Iterator[Freshness]:
    """For each set of cells that differ by policy, transport and codec, where one of them is live."""
    rows = {row.entry["id"]: row for group in groups for row in group.rows}
    for each in fresh_sets(document["cells"])[:MOST_SETS]:
        own = [
            replace(rows[cell["id"]], label=short(name, 60))
            for name, cell in zip(each.names, each.cells, strict=True)
        ]
        if measured := [row for row in own if row.count]:
            yield _chart(excerpt(each.title, 100), measured)


def _chart(title: str, measured: Sequence[Row]) -> Freshness:
    rows, left_out = room_for(measured, MOST_CELLS)
    deadlines = sorted({us for row in rows if (us := row.entry["freshness"]["deadline_us"]) is not None})
    notes = (
        say(
            "Marker: latency p50, its line to p99 (or the largest). Diamond: staleness, the mean age of the newest "
            "result, its line to p99."
        ),
        say("Far apart: what arrives is quick, and little of it. Bar: share of the scheduled messages.")
        if not deadlines
        else say(
            "Bar: share of the scheduled messages; full: in time, pale: after the deadline, empty: never delivered. "
            "Broken line: the deadline."
        ),
        *left_out,
    )
    columns = (FRESH[0], "p50", "p99", *FRESH[1:])
    words = Words(
        say("Latency beside freshness and goodput: {title}", title=title),
        notes,
        columns,
        tuple(map(_values, rows)),
    )
    return Freshness(words, tuple(map(_fresh, rows)), tuple(deadlines))


def _values(row: Row) -> tuple[str, ...]:
    name, *values = fresh_row(row.name, row.entry)
    return (name, *(show_us(row.entry["latency_us"][each]) for each in ("p50", "p99")), *values)


def _fresh(row: Row) -> Fresh:
    found, latency = row.entry["freshness"], row.entry["latency_us"]
    stale, delivered = found["staleness_us"], found["delivered_share"] or 0.0
    in_time = found["goodput_share"] or 0.0
    return Fresh(
        row.entry["id"], row.name, row.look, row.valid, row.count, (latency["p50"], latency["p99"] or latency["max"]),
        (stale["mean"], stale["p99"]), in_time, max(0.0, delivered - in_time),
    )  # fmt: skip


def draw(chart: Freshness) -> Figure:
    """A row for each cell: times on one logarithmic axis, shares as bars beside it."""
    notes = chart.words.notes
    names = [f"{each.name}, n={each.messages}" for each in chart.cells]
    drawing = figure(heading_in(notes) + on.ROW_IN * len(names) + 0.75)
    top = heading(drawing, chart.words.title, notes) + 0.24
    left, right = on.label_width_in(names, 2.9, 8.0), _SHARES_IN + _WORDS_IN
    times = place(drawing, left, 0.35, right + 0.25, top)
    shares = place(drawing, WIDTH_IN - right, 0.35, _WORDS_IN, top)
    low, high = _span(chart)
    times.set_xscale("log")
    times.set_xlim(low, high)
    faint = [not each.valid for each in chart.cells]
    on.rows_of_labels(times, names, faint, 8.0)
    on.title(times, say("latency and staleness"), 8.0)
    on.across(times, on.log_durations(low, high), size=7)
    shares.set_xlim(0, 1)
    on.rows_of_labels(shares, [""] * len(names), faint, 8.0)
    on.title(shares, named("goodput"), 8.0)
    on.across(shares, [(at, f"{at:.0%}") for at in (0.0, 0.5, 1.0)], size=7)
    for us in chart.deadlines_us:
        limit = on.line(
            times, (us, us), (0, 1), transform=times.get_xaxis_transform(), color=ALARM, linewidth=1.2,
            linestyle=(0, (4, 2)),
        )  # fmt: skip
        mark(limit, say("deadline {us}", us=show_us(us)))
    for y, each in enumerate(chart.cells):
        _times(times, y, each)
        _shares(shares, y, each)
    return drawing


def _span(chart: Freshness) -> tuple[float, float]:
    values = [us for each in chart.cells for us in (*each.latency_us, *each.stale_us) if us]
    values += chart.deadlines_us
    low = max(0.01, min(values, default=1.0))
    return low / 1.5, max(*values, 2 * low, 1.0) * 1.5


def _times(axes: Axes, y: int, each: Fresh) -> None:
    color, alpha = each.look.hue.light, 1.0 if each.valid else 0.5
    for (typical, worst), up, style, what in (
        (
            each.latency_us,
            -0.17,
            {"marker": each.look.marker, "color": color, "markersize": 6.0},
            say("latency p50"),
        ),
        (each.stale_us, 0.17, {"marker": "d", "color": INK, "markersize": 6.0}, say("staleness mean")),
    ):
        if not typical:
            continue
        shown: dict[str, Any] = {"color": style["color"], "alpha": alpha}
        if worst and worst > typical:
            on.line(axes, (typical, worst), (y + up,) * 2, linewidth=1.3, **shown)
            on.line(axes, [worst], [y + up], linestyle="", marker="|", markersize=5, **shown)
        point = on.line(axes, [typical], [y + up], linestyle="", **style, alpha=alpha)
        mark(point, f"{each.name}: {what} {show_us(typical)}, p99 {show_us(worst)}")


def _shares(axes: Axes, y: int, each: Fresh) -> None:
    color, alpha = each.look.hue.light, 1.0 if each.valid else 0.5
    on.box(axes, (0, y - 0.32), 1.0, 0.64, facecolor=SHADE, edgecolor=GROUND)
    left = 0.0
    for share, strength, what in (
        (each.in_time, 1.0, say("in time") if each.late else named("delivered")),
        (each.late, 0.35, say("after the deadline")),
    ):
        if share > 0:
            piece = on.box(axes, (left, y - 0.32), share, 0.64, facecolor=color, alpha=alpha * strength)
            mark(piece, f"{each.name}: {what} {show_share(share)}")
        left += share
    on.beside(axes, 1.0, y, show_share(each.in_time), 7.5).set_color(INK if each.valid else QUIET)
