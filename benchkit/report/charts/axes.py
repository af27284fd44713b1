"""Scales, rows and pieces of bars, drawn as few plain artists: matplotlib's own ticks are most of a chart's time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.charts.canvas import WIDTH_IN, mark
from benchkit.report.charts.letters import fitted, width_in
from benchkit.report.charts.palette import ALARM, GRID, GROUND, INK, PHASES, QUIET, Hue
from benchkit.units import show_us
from benchkit.words import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

Ticks = Sequence[tuple[float, str]]
"""Positions and what is written at them."""

ROW_IN: Final = 0.27
_STEPS: Final = ((0.8, (1, 1.5, 2, 3, 4, 5, 7)), (1.6, (1, 2, 5)), (4.0, (1, 3)), (math.inf, (1,)))
"""Ticks of each decade for an axis of at most so many decades."""


def line(axes: Axes, x: Sequence[float], y: Sequence[float], **style: Any) -> Line2D:
    """A line, or markers, in the axes' units; limits stay as they are."""
    from matplotlib.lines import Line2D

    drawn = Line2D(x, y, **style)
    axes.add_artist(drawn)
    return drawn


def box(axes: Axes, corner: tuple[float, float], width: float, height: float, **style: Any) -> Rectangle:
    """A rectangle in the axes' units; limits stay as they are."""
    from matplotlib.patches import Rectangle

    drawn = Rectangle(corner, width, height, **{"linewidth": 0.6, "edgecolor": GROUND, **style})
    axes.add_artist(drawn)
    return drawn


def spot(axes: Axes, x: float, y: float, says: str) -> None:
    """An unseen place that carries a value, large enough for a pointer."""
    mark(line(axes, [x], [y], linestyle="", marker="o", markersize=9, alpha=0.0, color=INK), says)


def moved(axes: Axes, transform: Transform, right: float = 0.0, up: float = 0.0) -> Transform:
    """The transform, and then so many points to the right and upwards."""
    from matplotlib.transforms import offset_copy

    return offset_copy(transform, axes.get_figure(), right, up, units="points")  # type: ignore[arg-type]  # Figure | None


def across(axes: Axes, ticks: Ticks, *, unit: str = "", grid: bool = True, size: float = 8.0) -> None:
    """A horizontal scale beneath the axes: what is written at each position, lines upwards, the unit below."""
    low, high = sorted(axes.get_xlim())
    shown = [(at, words) for at, words in ticks if low <= at <= high]
    place = moved(axes, axes.get_xaxis_transform(), up=-4)
    for at, words in shown:
        axes.text(at, 0, words, transform=place, ha="center", va="top", size=size, color=QUIET)
    _lines(axes, [((at, 0), (at, 1 if grid else -0.02)) for at, _ in shown], axes.get_xaxis_transform())
    _lines(axes, [((0, 0), (1, 0))], axes.transAxes, QUIET)
    if unit:
        below = moved(axes, axes.transAxes, up=-7 - 1.35 * size)
        axes.text(0.5, 0, unit, transform=below, ha="center", va="top", size=size + 0.5, color=QUIET)


def upright(axes: Axes, ticks: Ticks, *, unit: str = "", size: float = 8.0) -> None:
    """A vertical scale at the left of the axes, lines across, the unit above it."""
    low, high = sorted(axes.get_ylim())
    shown = [(at, words) for at, words in ticks if low <= at <= high]
    place = moved(axes, axes.get_yaxis_transform(), right=-4)
    for at, words in shown:
        axes.text(0, at, words, transform=place, ha="right", va="center", size=size, color=QUIET)
    _lines(axes, [((0, at), (1, at)) for at, _ in shown], axes.get_yaxis_transform())
    if unit:
        above = moved(axes, axes.transAxes, up=5)
        axes.text(0, 1, unit, transform=above, ha="left", va="bottom", size=size + 0.5, color=QUIET)


def _lines(
    axes: Axes,
    pieces: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    where: Transform,
    color: str = GRID,
) -> None:
    from matplotlib.collections import LineCollection

    drawn = LineCollection(pieces, colors=color, linewidths=0.6, transform=where, zorder=0.5, clip_on=False)
    axes.add_artist(drawn)


def title(axes: Axes, words: str, size: float = 8.5) -> None:
    """Words above the axes, at the left, as many as fit."""
    words = fitted(words, (1 - axes.get_position().x0) * WIDTH_IN - 0.05, size)
    above = moved(axes, axes.transAxes, up=3)
    axes.text(0, 1, words, transform=above, ha="left", va="bottom", size=size)


def linear(most: float, count: int = 5) -> Ticks:
    """Round numbers from 0 to `most`, about `count`."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most)
    return [(float(at), f"{at:g}") for at in found if at <= most * 1.0001]


def log_durations(low_us: float, high_us: float) -> Ticks:
    """Round durations between two, written with their units; few where they span decades."""
    return [(at, show_us(at).replace(".0 ", " ")) for at in log_ticks(low_us, high_us)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two on a logarithmic scale; the two ends where there is none."""
    decades = max(0.1, math.log10(high / low))
    steps = next(steps for most, steps in _STEPS if decades <= most)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, round(decades / 7))
    ticks = [step * 10.0**power for power in range(first, last + 1, every) for step in steps]
    return [tick for tick in ticks if low <= tick <= high] or [low, high]


def label_width_in(labels: Sequence[str], most: float = 3.3, size: float = 9.0) -> float:
    """Room for the longest label beside an axis."""
    return min(most, 0.2 + max((width_in(label[:200], size) for label in labels), default=0.0))


def rows_of_labels(axes: Axes, labels: Sequence[str], faint: Sequence[bool], size: float = 9.0) -> None:
    """One row for each label, the first at the top; faint ones are quieter; as much of each as fits."""
    room = axes.get_position().x0 * WIDTH_IN - 0.1
    axes.set_ylim(len(labels) - 0.5, -0.5)
    place = moved(axes, axes.get_yaxis_transform(), right=-4)
    for at, (words, quiet) in enumerate(zip(labels, faint, strict=True)):
        axes.text(
            0, at, fitted(words, room, size), transform=place, ha="right", va="center", size=size,
            color=QUIET if quiet else INK, style="italic" if quiet else "normal",
        )  # fmt: skip


def phase_row(
    axes: Axes,
    y: float,
    phases: Sequence[float],
    *,
    width: float,
    inches: float,
    faint: bool,
    says: Mapping[str, str],
) -> None:
    """One stacked bar of the ten phases in the axis' unit; each named where there is room.

    `width` is the length of the axis in its unit, `inches` on paper; `says` is what each piece carries.
    """
    lengths = dict(zip(PHASES, phases, strict=True))
    stack(axes, y, lengths, PHASES, inches / width if width else 0.0, faint=faint, says=says)


def stack(
    axes: Axes,
    y: float,
    lengths: Mapping[str, float],
    hues: Mapping[str, Hue],
    inches_per_unit: float,
    *,
    faint: bool,
    says: Mapping[str, str],
) -> float:
    """Pieces of a bar one after the other, named where there is room; returns where they end."""
    left = 0.0
    for name, length in lengths.items():
        if length <= 0:
            continue
        said = brief(name)
        piece = box(
            axes, (left, y - 0.37), length, 0.74, facecolor=hues[name].light, alpha=0.45 if faint else 1.0
        )
        mark(piece, says[name])
        if length * inches_per_unit >= 0.04 + width_in(said, 7.5):
            color = INK if faint else hues[name].words
            axes.text(left + length / 2, y, said, ha="center", va="center", size=7.5, color=color)
        left += length
    return left


def beside(axes: Axes, x: float, y: float, words: str, size: float = 8.0) -> Text:
    """Words at the right of a point, even where that is outside the axes."""
    return axes.text(x, y, words, transform=moved(axes, axes.transData, right=5), va="center", size=size)


def names_beside(
    axes: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str], colors: Sequence[str], *,
    faint: Sequence[bool], least: float,
) -> None:  # fmt: skip
    """Each name at the right of the axes, at the height of its line's end, and a thin line to that end.

    Names are moved apart where two would touch: `least` is the height of one, as a share of the axes'.
    """
    position = axes.get_position()
    room = (1 - position.x1 - 0.03 * position.width) * WIDTH_IN - 0.05
    places = axes.transData.transform(ends)
    inverse = axes.transAxes.inverted()
    wanted = [(float(x), float(y)) for x, y in inverse.transform(places)]
    for at, height in enumerate(apart([y for _, y in wanted], least)):
        line(
            axes, (wanted[at][0], 1.025), (wanted[at][1], height), transform=axes.transAxes, clip_on=False,
            color=colors[at], linewidth=0.6, zorder=1,
        )  # fmt: skip
        axes.text(
            1.03, height, fitted(names[at], room, 8), transform=axes.transAxes, va="center", size=8,
            color=QUIET if faint[at] else INK,
        )  # fmt: skip


def apart(wanted: Sequence[float], least: float) -> list[float]:
    """Heights near the wanted ones, in their order, `least` apart and inside 0 to 1 where they all fit."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    found = [0.0] * len(wanted)
    below = -least
    for at in order:
        found[at] = below = max(wanted[at], below + least)
    above = 1.0 + least
    for at in reversed(order):
        found[at] = above = min(found[at], above - least)
    return found


def limits(axes: Axes, promises: Sequence[tuple[float, float, str]], begin: float) -> None:
    """Promises: to which x, at which y, and their words; a broken line from `begin`, and the words above it.

    Words are moved apart where two would touch.
    """
    places = axes.transAxes.inverted().transform(
        axes.transData.transform([(begin, y) for _, y, _ in promises])
    )
    heights = apart([min(float(y) + 0.03, 0.965) for _, y in places], 0.055)
    for (end, y, words), height in zip(promises, heights, strict=True):
        style = {"color": ALARM, "linewidth": 1.2, "linestyle": (0, (4, 2)), "zorder": 2.5}
        mark(line(axes, (begin, end), (y, y), **style), words)
        axes.text(0.01, height, words, transform=axes.transAxes, size=8, color=ALARM, va="center")


def swatches(drawing: Figure, hues: Mapping[str, Hue], shown: Iterable[str]) -> None:
    """What the colours of bars mean, along the lower edge."""
    from matplotlib.patches import Rectangle

    names = list(shown)
    height = drawing.get_figheight()
    widths = [0.36 + width_in(brief(name), 8) for name in names]
    x = max(0.1, (WIDTH_IN - sum(widths)) / 2)
    for name, width in zip(names, widths, strict=True):
        corner = (x / WIDTH_IN, 0.08 / height)
        drawing.add_artist(
            Rectangle(corner, 0.12 / WIDTH_IN, 0.12 / height, facecolor=hues[name].light, linewidth=0)
        )
        drawing.text((x + 0.16) / WIDTH_IN, 0.14 / height, brief(name), size=8, va="center")
        x += width
