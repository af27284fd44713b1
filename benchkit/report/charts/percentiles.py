"""Latency by percentile on a logarithmic tail axis, as HdrHistogram plots it (https://hdrhistogram.github.io/HdrHistogram/).

The axis is 1/(1-p): equal steps from 90% to 99% to 99.9%. With x = 1/(1-p) the rank of the percentile p among
n sorted latencies, ceil(n p), is n - floor(n/x): the same definition as everywhere, in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from benchkit.analysis.ledger import Column
from benchkit.analysis.quantiles import DOUBT, PERCENTILES
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, not_measured, room_for
from benchkit.report.charts.palette import ALARM, DASHES, Look
from benchkit.report.groups import Group, Row
from benchkit.report.text import span
from benchkit.units import show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS: Final = 8
_LOW: Final = (Fraction(1), Fraction(10, 9), Fraction(5, 4), Fraction(10, 7), Fraction(5, 3))
"""The minimum, and the percentiles 10 to 40."""
_POINTS: Final = 100


@dataclass(frozen=True, slots=True)
class Curve:
    """One cell: latencies in microseconds at x = 1/(1-p)."""

    cell: str
    name: str
    look: Look
    dash: int
    """Place of its codec among the codecs of the group."""
    valid: bool
    count: int
    x: tuple[float, ...]
    latency_us: tuple[float, ...]
    trusted: int
    """How many of the points the sample is large enough for."""
    intervals_us: dict[str, tuple[float, float]]
    """95% intervals by percentile name, where there are any."""
    known_us: dict[str, float]
    """By name, the percentiles that the sample is large enough for."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A latency promise of the scenario; `x` is where its percentile stands, None for the maximum."""

    name: str
    limit_us: float
    x: float | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """What is drawn."""

    words: Words
    curves: tuple[Curve, ...]
    promises: tuple[Promise, ...]


def percentiles(group: Group, slo: dict[str, float]) -> Percentiles | None:
    """None when no cell has a message; `slo` holds seconds by percentile name."""
    rows, left_out = room_for(group.measured, MOST_CELLS)
    if not rows:
        return None
    codecs = list(dict.fromkeys(str(row.entry["codec"]) for row in group.rows))
    curves = tuple(_curve(row, codecs.index(str(row.entry["codec"])) % len(DASHES)) for row in rows)
    notes = (
        (
            say(
                "From the moment each message was due. Thin: beyond what the sample is large enough for. "
                "Bars: 95% intervals of p50 and p99."
            )
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "messages", *PERCENTILES, "max", say("p50, 95% interval"), say("p99, 95% interval"))
    values = tuple(_values(row) for row in rows)
    return Percentiles(
        Words(say("Latency by percentile: {title}", title=group.title), notes, columns, values),
        curves,
        promised(slo),
    )


def promised(slo: dict[str, float]) -> tuple[Promise, ...]:
    """The promises about latency, in the order of the scenario."""
    known = {name: float(1 / (1 - share)) for name, share in PERCENTILES.items()}
    return tuple(
        Promise(name, limit * 1e6, known.get(name))
        for name, limit in slo.items()
        if name in known or name == "max"
    )


def points(latency: Column) -> tuple[list[float], list[float]]:
    """About a hundred x = 1/(1-p) from minimum to maximum, and the latency (us) at each; n > 0 latencies."""
    count = len(latency)
    grid = np.unique(np.geomspace(2, 2 * count, _POINTS).astype(np.int64)).tolist()
    exact = {int(1 / (1 - share)) for share in PERCENTILES.values()}
    xs = [*_LOW, *map(Fraction, sorted({*grid, *(x for x in exact if x <= 2 * count)}))]
    places = [max(1, count - int(count / x)) - 1 for x in xs]
    ordered = np.partition(latency, sorted(set(places)))
    return [float(x) for x in xs], (ordered[places] / 1e3).tolist()


def _curve(row: Row, dash: int) -> Curve:
    x, values = points(row.latency_ns)
    # The largest p with p**n <= DOUBT: where LoadGen's bound allows no sample beyond the percentile.
    furthest = 1 / (1 - DOUBT ** (1 / row.count)) * (1 + 1e-9)
    found = {name: row.entry["latency_us"][f"{name}_ci95"] for name in ("p50", "p99")}
    intervals = {name: (each[0], each[1]) for name, each in found.items() if each is not None}
    trusted = sum(each <= furthest for each in x)
    latency = row.entry["latency_us"]
    known = {name: latency[name] for name in PERCENTILES if latency[name] is not None}
    return Curve(
        row.entry["id"], row.name, row.look, dash, row.valid, row.count, tuple(x), tuple(values), trusted,
        intervals, known,
    )  # fmt: skip


def _values(row: Row) -> tuple[str, ...]:
    latency = row.entry["latency_us"]
    intervals = [span(latency[f"{name}_ci95"]) if latency[f"{name}_ci95"] else "-" for name in ("p50", "p99")]
    return (
        row.name, str(row.count), *(show_us(latency[name]) for name in (*PERCENTILES, "max")), *intervals
    )  # fmt: skip


def draw(chart: Percentiles) -> Figure:
    """One line for each cell, named at its end."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + 3.7)
    names = [f"{curve.name}, n={curve.count}" for curve in chart.curves]
    top = heading(drawing, chart.words.title, notes) + 0.25
    axes = place(drawing, 0.8, 0.5, 0.22 + on.label_width_in(names, 3.2, 8.0), top)
    low, high = _span(chart)
    right = max(20.0, *(curve.x[-1] for curve in chart.curves))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, right)
    axes.set_ylim(low, high)
    on.upright(axes, on.log_durations(low, high), unit=named("latency"))
    on.across(axes, _TAIL, unit=say("percentile of messages, logarithmic tail"))
    for at, curve in enumerate(chart.curves):
        _line(axes, curve, at)
    on.names_beside(
        axes, [(curve.x[-1], max(curve.latency_us[-1], low)) for curve in chart.curves], names,
        [curve.look.hue.light for curve in chart.curves], faint=[not curve.valid for curve in chart.curves],
        least=0.055,
    )  # fmt: skip
    if chart.promises:
        on.limits(axes, [_promise(axes, promise, right) for promise in chart.promises], 1)
    return drawing


_TAIL: Final = (
    (1.0, "0%"), (2.0, "50%"), (10.0, "90%"), (100.0, "99%"), (1e3, "99.9%"), (1e4, "99.99%"), (1e5, "99.999%"),
    (1e6, "99.9999%"),
)  # fmt: skip


def _span(chart: Percentiles) -> tuple[float, float]:
    values = [value for curve in chart.curves for value in (curve.latency_us[0], curve.latency_us[-1])]
    values += [promise.limit_us for promise in chart.promises]
    low = max(0.01, min(values))
    return low / 1.25, max(*values, 2 * low) * 1.25


def _line(axes: Axes, curve: Curve, at: int) -> None:
    style = {"color": curve.look.hue.light, "linestyle": DASHES[curve.dash]}
    alpha = 1.0 if curve.valid else 0.55
    last = max(0, curve.trusted - 1)
    on.line(axes, curve.x[: last + 1], curve.latency_us[: last + 1], linewidth=1.8, alpha=alpha, **style)
    on.line(axes, curve.x[last:], curve.latency_us[last:], linewidth=0.7, alpha=0.8 * alpha, **style)
    for name, (low, high) in curve.intervals_us.items():
        x = float(1 / (1 - PERCENTILES[name])) * 1.05 ** (at - 3)  # side by side, not on top of each other
        bar = on.line(
            axes, (x, x), (low, high), color=curve.look.hue.light, linewidth=1.2, marker="_", markersize=5,
            alpha=alpha,
        )  # fmt: skip
        mark(
            bar,
            say(
                "{cell}: {percentile}, 95% interval {low} to {high}",
                cell=curve.name,
                percentile=name,
                low=show_us(low),
                high=show_us(high),
            ),
        )
    on.line(
        axes, [curve.x[last]], [curve.latency_us[last]], marker=curve.look.marker, markersize=5,
        color=curve.look.hue.light, alpha=alpha,
    )  # fmt: skip
    for name, us in curve.known_us.items():
        on.spot(axes, float(1 / (1 - PERCENTILES[name])), us, f"{curve.name}: {name} {show_us(us)}")
    on.spot(
        axes,
        curve.x[-1],
        curve.latency_us[-1],
        say("{name}: largest {latency_us}", name=curve.name, latency_us=show_us(curve.latency_us[-1])),
    )


def _promise(axes: Axes, promise: Promise, right: float) -> tuple[float, float, str]:
    """Where its line ends and at which latency, and its words; an arrow at the percentile that it is about."""
    end = min(promise.x or right, right)
    on.line(axes, [end], [promise.limit_us], marker="<", color=ALARM, markersize=6)
    return (
        end,
        promise.limit_us,
        say("promised {name} ≤ {limit_us}", name=promise.name, limit_us=show_us(promise.limit_us)),
    )
