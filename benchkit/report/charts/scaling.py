"""Throughput over worker counts: what was measured, the Universal Scalability Law and its band, the best count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.palette import GROUND, QUIET, Look, looks
from benchkit.report.excerpt import excerpt, short
from benchkit.report.text import rate
from benchkit.words import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
Interval = tuple[float, float]
MOST_LAWS: Final = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One worker count."""

    workers: int
    per_s: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Law:
    """One set of cells."""

    name: str
    look: Look
    points: tuple[Point, ...]
    curve: tuple[tuple[float, float, Interval | None], ...]
    """Workers, throughput, band."""
    best: tuple[float, float] | None
    """N*, and what it does."""
    best_ci: Interval | None


@dataclass(frozen=True, slots=True)
class Laws:
    """What is drawn."""

    words: Words
    laws: tuple[Law, ...]
    most_workers: float


def scaling(document: Entry) -> Laws | None:
    """None where no law was fitted."""
    fitted = [each for each in document.get("scaling") or () if not each["refused"] and each["curve"]]
    if not fitted:
        return None
    transports = {cell["id"]: str(cell["transport"]) for cell in document["cells"]}
    look = looks(transports.values())
    drawn = fitted[:MOST_LAWS]
    laws = tuple(_law(each, look[transports[each["points"][0]["cell"]]]) for each in drawn)
    measured = max(point.workers for law in laws for point in law.points)
    near = [law.best_ci[1] for law in laws if law.best_ci]
    notes = (
        say(
            "Universal Scalability Law (Gunther 2007): N workers do lambda N / (1 + sigma (N - 1) + kappa N (N - 1)); "
            "band: its 95% interval."
        ),
        say(
            "Points: each worker count with its 95% interval. Ring: N*, where one is known; beyond it throughput falls."
        ),
        *left_out([short(each["title"]) for each in fitted[MOST_LAWS:]]),
    )
    columns = (
        "cell",
        "workers",
        say("measured per s"),
        "95% interval",
        say("law per s"),
        "sigma",
        "kappa",
        "N*",
    )
    values = tuple(value for each in drawn for value in _values(each))
    most = min(2.0 * measured, max(1.25 * measured, *(1.1 * end for end in near), 2.0))
    return Laws(Words(say("Throughput by number of workers"), notes, columns, values), laws, most)


def _law(found: Entry, look: Look) -> Law:
    points = tuple(Point(each["workers"], each["per_s"], _pair(each["interval"])) for each in found["points"])
    curve = tuple((each["workers"], each["per_s"], _pair(each["band"])) for each in found["curve"])
    known = found["best_workers"] is not None
    best = (found["best_workers"], found["best_per_s"]) if known else None
    return Law(short(found["title"], 60), look, points, curve, best, _pair(found["best_workers_ci95"]))


def _pair(ends: Sequence[float] | None) -> Interval | None:
    return None if ends is None else (ends[0], ends[1])


def _values(found: Entry) -> list[tuple[str, ...]]:
    one, sigma, kappa = found["lambda_per_s"], found["sigma"], found["kappa"]
    best = "-" if found["best_workers"] is None else f"{found['best_workers']:.1f}"
    rows: list[tuple[str, ...]] = []
    for each in found["points"]:
        n = each["workers"]
        predicted = one * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))
        interval = _pair(each["interval"])
        ends = say("{low} to {high}", low=rate(interval[0]), high=rate(interval[1])) if interval else "-"
        rows.append(
            (excerpt(found["title"], 100), str(n), rate(each["per_s"]), ends, rate(predicted), f"{sigma:.2%}",
             f"{kappa:.2g}", best)
        )  # fmt: skip
    return rows


def draw(chart: Laws) -> Figure:
    """One curve a set, workers to the right."""
    notes = chart.words.notes
    names = [_name(law) for law in chart.laws]
    drawing = figure(heading_in(notes) + 3.4)
    top = heading(drawing, chart.words.title, notes) + 0.25
    axes = place(drawing, 0.8, 0.5, 0.22 + on.label_width_in(names, 3.2, 8.0), top)
    inside = [[each for each in law.curve if each[0] <= chart.most_workers] for law in chart.laws]
    highest = 1.08 * max(_heights(chart, inside))
    axes.set_xlim(0, chart.most_workers)
    axes.set_ylim(0, highest)
    on.upright(
        axes,
        [(at, rate(at) if at else "0") for at, _ in on.linear(highest, 6)],
        unit=say("messages per second"),
    )
    on.across(axes, on.linear(chart.most_workers, 9), unit=say("workers"))
    for law, curve in zip(chart.laws, inside, strict=True):
        _band(axes, law, curve)
        _points(axes, law)
    ends = [(curve[-1][0], curve[-1][1]) for curve in inside]
    on.names_beside(
        axes, ends, names, [law.look.hue.light for law in chart.laws], faint=[False] * len(names), least=0.06
    )
    return drawing


def _heights(chart: Laws, inside: Sequence[Sequence[tuple[float, float, Interval | None]]]) -> list[float]:
    """Of points and curves; a band that is wide beyond what was measured does not press them down."""
    points = [
        height
        for law in chart.laws
        for point in law.points
        for height in (point.per_s, *(point.interval or ()))
    ]
    return [*points, *(1.1 * per_s for curve in inside for _, per_s, _ in curve), 1e-9]


def _name(law: Law) -> str:
    if law.best is None or law.best_ci is None:
        return law.name
    return say("{name}: N* {best:.1f} [{low:.1f}, {high:.1f}]", name=law.name, best=law.best[0], low=law.best_ci[0],
               high=law.best_ci[1])  # fmt: skip


def _band(axes: Axes, law: Law, curve: Sequence[tuple[float, float, Interval | None]]) -> None:
    from matplotlib.patches import Polygon

    color = law.look.hue.light
    known = [(workers, band) for workers, _, band in curve if band is not None]
    if len(known) > 1:
        outline = [(workers, band[0]) for workers, band in known]
        outline += [(workers, band[1]) for workers, band in reversed(known)]
        axes.add_artist(Polygon(outline, closed=True, facecolor=color, alpha=0.18, linewidth=0, zorder=1))
    on.line(axes, [each[0] for each in curve], [each[1] for each in curve], color=color, linewidth=1.5)


def _points(axes: Axes, law: Law) -> None:
    color = law.look.hue.light
    for point in law.points:
        if point.interval is not None:
            on.line(
                axes,
                (point.workers,) * 2,
                point.interval,
                color=color,
                linewidth=1.0,
                marker="_",
                markersize=5,
            )
        drawn = on.line(
            axes, [point.workers], [point.per_s], linestyle="", marker=law.look.marker, markersize=6, color=color,
            markeredgecolor=GROUND, markeredgewidth=0.6,
        )  # fmt: skip
        span = (
            say(" [{low} to {high}]", low=rate(point.interval[0]), high=rate(point.interval[1]))
            if point.interval
            else ""
        )
        said = say(
            "{name}: {workers} workers, {per_s}",
            name=law.name,
            workers=point.workers,
            per_s=rate(point.per_s),
        )
        mark(drawn, said + span)
    if law.best is not None and law.best[0] <= axes.get_xlim()[1]:
        ring = on.line(
            axes, [law.best[0]], [law.best[1]], linestyle="", marker="o", markersize=12, markerfacecolor="none",
            markeredgecolor=QUIET, markeredgewidth=1.0, color=color,
        )  # fmt: skip
        mark(ring, say("{name}: most throughput, {per_s}", name=_name(law), per_s=rate(law.best[1])))
