"""Events beneath a timeline: the garbage collector, the broker, injected faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import mark
from benchkit.report.charts.palette import ALARM, INK, QUIET
from benchkit.report.excerpt import excerpt
from benchkit.report.groups import Row
from benchkit.units import show_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Begins = Mapping[int, tuple[float, int, float]]
"""By block: where it stands on the axis (s), its first due moment (ns), how much of the axis it has (s)."""

_EVENTS: Final = 24
"""Drawn of a cell: injected faults first, then the longest."""
_SHAPES: Final = {"gc": ("|", QUIET), "broker": ("D", INK), "fault": ("X", ALARM)}
LEGEND: Final = (
    f"At the foot the {_EVENTS} longest events: | garbage collector, diamond broker, cross fault, dot others."
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the engine saw while the cell ran, on the chart's axis of time."""

    at_s: float
    length_s: float
    kind: str
    words: str


def happenings(row: Row, begins: Begins) -> tuple[tuple[Happening, ...], tuple[tuple[str, int], ...]]:
    """What happened in the blocks that are drawn: the longest, and how many there were of each kind."""
    found = []
    for block in row.blocks:
        if block.index not in begins:
            continue
        start, due_ns, length = begins[block.index]
        for event in block.events:
            since = min(max(0.0, (event.at_ns - due_ns) / 1e9), length)
            lasted = f" for {show_us(event.duration_ns / 1e3)}" if event.duration_ns else ""
            said = (
                f"{excerpt(event.kind, 20)} in {excerpt(event.party, 30)}{lasted}: {excerpt(event.what, 120)}"
            )
            found.append(Happening(start + since, event.duration_ns / 1e9, event.kind, said))
    longest = sorted(found, key=lambda each: (each.kind != "fault", -each.length_s))[:_EVENTS]
    kinds = Counter(excerpt(each.kind, 20) for each in found)
    return tuple(sorted(longest, key=lambda each: each.at_s)), tuple(sorted(kinds.items()))


def draw(axes: Axes, each: Happening) -> None:
    """A sign at the foot of the axes, and how long it lasted."""
    shape, color = _SHAPES.get(each.kind, ("o", INK))
    x = (each.at_s, each.at_s + each.length_s)
    drawn = on.line(
        axes, x, (0.07, 0.07), transform=axes.get_xaxis_transform(), color=color, marker=shape, markersize=5,
        linewidth=2.5, markevery=[0], clip_on=False, zorder=3,
    )  # fmt: skip
    mark(drawn, each.words)
