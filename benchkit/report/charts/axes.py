"""Axes of durations, and rows of labels beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.charts.palette import GROUND, INK, PHASES, QUIET, Hue
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN: Final = 0.27
_STEPS: Final = ((0.8, (1, 1.5, 2, 3, 4, 5, 7)), (1.6, (1, 2, 5)), (4.0, (1, 3)), (math.inf, (1,)))
"""Ticks of each decade for an axis of at most so many decades."""
_LETTER_IN: Final = 0.078
"""Width of a letter of nine points, a little more than the average."""


def label_width_in(labels: Sequence[str], most: float = 3.3) -> float:
    """Room for the longest label beside an axis."""
    return min(most, 0.3 + _LETTER_IN * max(map(len, labels), default=0))


def log_durations(axis: Any, low_us: float, high_us: float) -> None:
    """Ticks of a logarithmic axis in microseconds, written with their units; few where it spans decades."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    decades = max(0.1, math.log10(high_us / low_us))
    steps = next(steps for most, steps in _STEPS if decades <= most)
    first, last = math.floor(math.log10(low_us)), math.ceil(math.log10(high_us))
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    inside = [tick for tick in ticks if low_us <= tick <= high_us] or [low_us, high_us]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_major_formatter(FixedFormatter([show_us(tick).replace(".0 ", " ") for tick in inside]))
    axis.set_minor_locator(NullLocator())


def rows_of_labels(axes: Axes, labels: Sequence[str], faint: Sequence[bool]) -> None:
    """One row for each label, the first at the top; faint ones are quieter."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for tick, quiet in zip(axes.get_yticklabels(), faint, strict=True):
        tick.set_color(QUIET if quiet else INK)
        tick.set_fontstyle("italic" if quiet else "normal")


def phase_row(
    axes: Axes, y: float, phases: Sequence[float], *, width: float, inches: float, faint: bool
) -> None:
    """One stacked bar of the ten phases in the axis' unit; each named where there is room.

    `width` is the length of the axis in its unit, `inches` on paper.
    """
    stack(
        axes, y, dict(zip(PHASES, phases, strict=True)), PHASES, inches / width if width else 0.0, faint=faint
    )


def stack(
    axes: Axes,
    y: float,
    lengths: Mapping[str, float],
    hues: Mapping[str, Hue],
    inches_per_unit: float,
    *,
    faint: bool,
) -> float:
    """Pieces of a bar one after the other, named where there is room; returns where they end."""
    left = 0.0
    pieces, colors = [], []
    for name, length in lengths.items():
        if length <= 0:
            continue
        pieces.append((left, length))
        colors.append(hues[name].light)
        if length * inches_per_unit >= 0.04 + 0.06 * len(name):
            color = INK if faint else hues[name].words
            axes.text(left + length / 2, y, name, ha="center", va="center", size=7.5, color=color)
        left += length
    alpha = 0.45 if faint else 1.0
    axes.broken_barh(
        pieces, (y - 0.37, 0.74), facecolors=colors, edgecolors=GROUND, linewidth=0.6, alpha=alpha
    )
    return left


def beside(axes: Axes, x: float, y: float, words: str) -> None:
    """Words at the right of a point, even where that is outside the axes."""
    axes.annotate(
        words, (x, y), xytext=(5, 0), textcoords="offset points", va="center", size=8, annotation_clip=False
    )  # fmt: skip


def phase_legend(drawing: Figure, shown: Sequence[str]) -> None:
    """Swatches of the phases along the lower edge."""
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=PHASES[name].light, edgecolor=GROUND, label=name) for name in shown]
    drawing.legend(
        handles=handles, loc="lower center", ncols=10, frameon=False, fontsize=8, handlelength=1.0,
        handletextpad=0.4, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip
