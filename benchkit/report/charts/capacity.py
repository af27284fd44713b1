"""Latency against throughput: the levels of a search, the knee, what was promised, and the capacity found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.search_words import promised, rate_with_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, not_measured, room_for
from benchkit.report.charts.palette import GROUND, INK, Look
from benchkit.report.groups import Group, Row
from benchkit.report.text import rate
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 6
KNEE: Final = "Ring: the knee, the point with the most throughput per latency, where the line has one inside."


@dataclass(frozen=True, slots=True)
class Point:
    """One level: what was offered, what came back, how late."""

    offered_per_s: float | None
    delivered_per_s: float
    latency_us: float
    """The percentile that the chart shows."""
    kept: bool
    """The promises, as far as there are any, and the rate itself."""
    interval_us: tuple[float, float] | None = None
    """95% interval of the latency, where there is one."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One cell: its levels by rate, and the interval of its capacity."""

    cell: str
    name: str
    look: Look
    valid: bool
    rate_per_s: float | None
    ends: tuple[float | None, float | None]
    """Of the capacity's interval: the highest rate surely kept, the lowest surely broken; None: not known."""
    points: tuple[Point, ...]
    count: int
    """Messages of all of them."""
    searched: bool = True
    """The rates were looked for, and not given."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, where both are known."""
        low, high = self.ends
        return None if low is None or high is None else (low, high)

    @property
    def knee(self) -> int | None:
        """Place of the point with the most throughput per latency; None where it is an end of the line.

        Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer communications",
        ICC 1979, 43.1.1-43.1.10: there a queue is neither idle nor full.
        """
        power = [point.delivered_per_s / max(point.latency_us, 1e-9) for point in self.points]
        at = power.index(max(power))
        return at if 0 < at < len(power) - 1 else None


@dataclass(frozen=True, slots=True)
class Capacities:
    """What is drawn."""

    words: Words
    shown: str
    """The percentile of latency."""
    edges: tuple[Edge, ...]
    limits_us: tuple[tuple[str, float], ...]
    """Latency promises by name."""


def capacities(group: Group) -> Capacities | None:
    """None when no cell of the group searched for its capacity, or none has a level to show."""
    searched = [row for row in group.measured if row.entry.get("capacity", {}).get("levels")]
    rows, left_out = room_for(searched, MOST_CELLS)
    shown = _percentile(rows)
    edges = tuple(edge for row in rows if (edge := _edge(row, shown)).points)
    if not edges:
        return None
    slo = rows[0].entry["capacity"]["slo"]
    notes = (
        (
            f"Promise: {promised(slo)}. Line: {shown} of each rate tried, the highest percentile that all"
            " samples are large enough for."
        ),
        "Filled: kept; hollow: broken. Band: from the highest rate surely kept to the lowest surely broken.",
        KNEE,
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "offered", "delivered", "goodput", "p50", "p99", "blocks", "verdict")
    values = tuple(value for row in rows for value in _values(row))
    limits = tuple((name, limit * 1e6) for name, limit in slo.items() if name != "loss")
    return Capacities(Words(f"Capacity: {group.title}", notes, columns, values), shown, edges, limits)


def _percentile(rows: Sequence[Row]) -> str:
    """The highest percentile that every level of every cell has; p50 where there is none."""
    levels = [level for row in rows for level in row.entry["capacity"]["levels"]]
    return next((name for name in ("p99", "p90") if all(level[f"{name}_us"] for level in levels)), "p50")


def _edge(row: Row, shown: str) -> Edge:
    found = row.entry["capacity"]
    low, high = found["interval"]
    points = tuple(
        Point(level["rate_per_s"], level["delivered_per_s"], level[f"{shown}_us"], level["verdict"] == "kept")
        for level in found["levels"]
        if level[f"{shown}_us"] is not None
    )
    count = sum(level["scheduled"] for level in found["levels"])
    return Edge(
        row.entry["id"], row.name, row.look, row.valid, found["rate_per_s"], (low, high), points, count
    )


def _values(row: Row) -> list[tuple[str, ...]]:
    return [
        (
            row.name, rate(level["rate_per_s"]), rate(level["delivered_per_s"]), f"{level['goodput']:.1%}",
            show_us(level["p50_us"]), show_us(level["p99_us"]), str(level["blocks"]), _verdict(level),
        )
        for level in row.entry["capacity"]["levels"]
    ]  # fmt: skip


def _verdict(level: Any) -> str:
    by = f" by {', '.join(level['broken_by'])}" if level["broken_by"] else ""
    return f"{level['verdict']}{by}{'' if level['confirmed'] else ' (likely)'}"


def draw(chart: Capacities) -> Figure:
    """One line a cell over throughput, the promise across, the capacity as a strip at the foot."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + 3.7)
    names = [_name(edge) for edge in chart.edges]
    top = heading(drawing, chart.words.title, notes) + 0.25
    axes = place(drawing, 0.8, 0.5, 0.22 + on.label_width_in(names, 3.2, 8.0), top)
    low_us, high_us = _span(chart)
    right = 1.08 * max(point.delivered_per_s for edge in chart.edges for point in edge.points)
    right = max(right, *(1.05 * edge.interval[1] for edge in chart.edges if edge.interval), 1e-9)
    axes.set_yscale("log")
    axes.set_ylim(low_us, high_us)
    axes.set_xlim(0, right)
    on.upright(axes, on.log_durations(low_us, high_us), unit=f"{chart.shown} latency")
    on.across(axes, on.linear(right, 7), unit="delivered messages per second")
    for at, edge in enumerate(chart.edges):
        _strip(axes, edge, at)
        _line(axes, edge, chart.shown)
    on.named(
        axes, [(edge.points[-1].delivered_per_s, edge.points[-1].latency_us) for edge in chart.edges], names,
        [edge.look.hue.light for edge in chart.edges], faint=[not edge.valid for edge in chart.edges], least=0.06,
    )  # fmt: skip
    if chart.limits_us:
        on.limits(axes, [(right, us, f"promised {name} ≤ {show_us(us)}") for name, us in chart.limits_us], 0)
    return drawing


def _name(edge: Edge) -> str:
    sized = f"{edge.name}, n={edge.count}"
    if not edge.searched:
        return f"{sized}: {rate(edge.interval[0])} to {rate(edge.interval[1])}" if edge.interval else sized
    if edge.rate_per_s is None:
        return f"{sized}: none"
    return f"{sized}: {rate_with_interval({'rate_per_s': edge.rate_per_s, 'interval': edge.ends})}"


def _span(chart: Capacities) -> tuple[float, float]:
    values = [point.latency_us for edge in chart.edges for point in edge.points]
    values += [limit for _, limit in chart.limits_us]
    low = max(0.01, min(values))
    return low / 1.4, max(*values, 2 * low) * 1.4


def _strip(axes: Axes, edge: Edge, at: int) -> None:
    """Where the capacity lies, at the foot: over the whole height the intervals of several would be one cloud."""
    if edge.interval:
        low, high = edge.interval
        band = on.box(
            axes, (low, 0.012 + 0.036 * at), high - low, 0.024, transform=axes.get_xaxis_transform(),
            facecolor=edge.look.hue.light, alpha=0.55, linewidth=0,
        )  # fmt: skip
        mark(band, f"{edge.name}: capacity between {rate(low)} and {rate(high)}")


def _line(axes: Axes, edge: Edge, shown: str) -> None:
    color, alpha = edge.look.hue.light, 1.0 if edge.valid else 0.5
    whole = axes.get_xaxis_transform()
    if edge.rate_per_s is not None:
        dotted = {"linewidth": 1.0, "linestyle": (0, (1.5, 1.5)), "alpha": alpha, "zorder": 1.5}
        on.line(axes, (edge.rate_per_s,) * 2, (0, 1), transform=whole, color=color, **dotted)
    x = [point.delivered_per_s for point in edge.points]
    on.line(axes, x, [point.latency_us for point in edge.points], color=color, linewidth=1.4, alpha=alpha)
    for point in edge.points:
        if point.interval_us is not None:
            on.line(
                axes, (point.delivered_per_s,) * 2, point.interval_us, color=color, linewidth=0.8, marker="_",
                markersize=4, alpha=alpha,
            )  # fmt: skip
        drawn = on.line(
            axes, [point.delivered_per_s], [point.latency_us], marker=edge.look.marker, markersize=5, color=color,
            markerfacecolor=color if point.kept else GROUND, alpha=alpha,
        )  # fmt: skip
        mark(drawn, _says(edge, point, shown))
    if edge.knee is not None:
        knee = edge.points[edge.knee]
        ring = {"marker": "o", "markersize": 12, "markerfacecolor": "none", "markeredgecolor": INK}
        on.line(axes, [knee.delivered_per_s], [knee.latency_us], linestyle="", markeredgewidth=0.8, **ring)


def _says(edge: Edge, point: Point, shown: str) -> str:
    offered = "" if point.offered_per_s is None else f", {rate(point.offered_per_s)} offered"
    interval = " to ".join(map(show_us, point.interval_us)) if point.interval_us else ""
    sure = f" [{interval}]" if interval else ""
    kept = "kept" if point.kept else "not kept"
    seen = f"{shown} {show_us(point.latency_us)}{sure}"
    return f"{edge.name}: {rate(point.delivered_per_s)} delivered{offered}, {seen}, {kept}"
