"""Latency against throughput: the levels of a search, the knee, what was promised, and the capacity found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.search_words import promised, rate_with_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, place
from benchkit.report.charts.chart import Words, not_measured, room_for
from benchkit.report.charts.palette import ALARM, GROUND, INK, QUIET, marker, transport
from benchkit.report.charts.percentiles import apart
from benchkit.report.groups import Group, Row
from benchkit.report.text import rate
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 6


@dataclass(frozen=True, slots=True)
class Point:
    """One level: what was offered, what came back, how late."""

    offered_per_s: float
    delivered_per_s: float
    latency_us: float
    """The percentile that the chart shows."""
    kept: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """One cell: its levels by rate, and the interval of its capacity."""

    cell: str
    name: str
    transport: str
    valid: bool
    rate_per_s: float | None
    interval: tuple[float, float] | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Capacities:
    """What is drawn."""

    words: Words
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
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "offered", "delivered", "goodput", "p50", "p99", "blocks", "verdict")
    values = tuple(value for row in rows for value in _values(row))
    limits = tuple((name, limit * 1e6) for name, limit in slo.items() if name != "loss")
    return Capacities(Words(f"Capacity: {group.title}", notes, columns, values), edges, limits)


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
    interval = (low, high) if low is not None and high is not None else None
    return Edge(row.entry["id"], row.name, row.transport, row.valid, found["rate_per_s"], interval, points)


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
    """One line a cell over throughput, the promise across, the capacity as a band."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + 3.6)
    names = [_name(edge) for edge in chart.edges]
    top = heading(drawing, chart.words.title, notes) + 0.1
    axes = place(drawing, 0.8, 0.55, on.label_width_in(names, 3.0), top)
    low_us, high_us = _span(chart)
    right = 1.08 * max(point.delivered_per_s for edge in chart.edges for point in edge.points)
    right = max(right, *(1.05 * edge.interval[1] for edge in chart.edges if edge.interval), 1e-9)
    axes.set_yscale("log")
    axes.set_ylim(low_us, high_us)
    axes.set_xlim(0, right)
    on.log_durations(axes.yaxis, low_us, high_us)
    axes.grid(axis="both")
    axes.set_xlabel("delivered messages per second")
    for edge in chart.edges:
        _line(axes, edge)
    _names(axes, chart.edges, names)
    for name, limit_us in chart.limits_us:
        _limit(axes, name, limit_us)
    return drawing


def _name(edge: Edge) -> str:
    if edge.rate_per_s is None:
        return f"{edge.name}: none"
    return f"{edge.name}: {rate_with_interval({'rate_per_s': edge.rate_per_s, 'interval': edge.interval})}"


def _span(chart: Capacities) -> tuple[float, float]:
    values = [point.latency_us for edge in chart.edges for point in edge.points]
    values += [limit for _, limit in chart.limits_us]
    low = max(0.01, min(values))
    return low / 1.4, max(*values, 2 * low) * 1.4


def _line(axes: Axes, edge: Edge) -> None:
    color, alpha = transport(edge.transport).light, 1.0 if edge.valid else 0.5
    if edge.interval:
        axes.axvspan(*edge.interval, color=color, alpha=0.18, linewidth=0)
    if edge.rate_per_s is not None:
        axes.axvline(edge.rate_per_s, color=color, linewidth=1.0, linestyle=(0, (1.5, 1.5)), alpha=alpha)
    axes.plot(
        [point.delivered_per_s for point in edge.points], [point.latency_us for point in edge.points],
        color=color, linewidth=1.4, alpha=alpha,
    )  # fmt: skip
    for kept in (True, False):
        shown = [point for point in edge.points if point.kept is kept]
        axes.plot(
            [point.delivered_per_s for point in shown], [point.latency_us for point in shown], linestyle="",
            marker=marker(edge.transport), markersize=5, color=color,
            markerfacecolor=color if kept else GROUND, alpha=alpha,
        )  # fmt: skip


def _names(axes: Axes, edges: Sequence[Edge], names: Sequence[str]) -> None:
    """Each name beside the plot at the height of its line's end, with its marker's colour."""
    from math import log10

    bottom, top = (log10(bound) for bound in axes.get_ylim())
    wanted = [(log10(max(edge.points[-1].latency_us, 1e-3)) - bottom) / (top - bottom) for edge in edges]
    for at, height in enumerate(apart(wanted, 0.06)):
        last, color = edges[at].points[-1], transport(edges[at].transport).light
        axes.annotate(
            names[at], (last.delivered_per_s, last.latency_us), xytext=(1.03, height), textcoords="axes fraction",
            va="center", size=8, annotation_clip=False, color=INK if edges[at].valid else QUIET,
            arrowprops={
                "arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )  # fmt: skip


def _limit(axes: Axes, name: str, limit_us: float) -> None:
    axes.axhline(limit_us, color=ALARM, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        f"promised {name} ≤ {show_us(limit_us)}", (0, limit_us), xytext=(4, 5), textcoords="offset points",
        size=8, color=ALARM, bbox={"facecolor": GROUND, "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )  # fmt: skip
