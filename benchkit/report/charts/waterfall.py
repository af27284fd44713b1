"""Waterfall: the life of one typical message and of the slowest five, phase after phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchkit.analysis.ledger import phases_ns
from benchkit.records.samples import PHASES
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, place
from benchkit.report.charts.chart import Words, not_measured, room_for, scale_us
from benchkit.report.charts.palette import PHASES as HUES
from benchkit.report.groups import Group, Row
from benchkit.units import show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CELLS: Final = 4
SLOWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its phases in microseconds, in the order of PHASES, from the moment it was due."""

    name: str
    block: int
    seq: int
    phases_us: tuple[float, ...]

    @property
    def latency_us(self) -> float:
        """All phases together."""
        return sum(self.phases_us)


@dataclass(frozen=True, slots=True)
class Fall:
    """One cell: the message of the median latency, then the slowest, the slowest of all first."""

    cell: str
    name: str
    valid: bool
    count: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What is drawn: a panel for each cell, each with its own scale."""

    words: Words
    falls: tuple[Fall, ...]


def waterfall(group: Group) -> Waterfall | None:
    """None when no cell has a message to show."""
    rows, left_out = room_for(group.measured, MOST_CELLS)
    if not rows:
        return None
    falls = tuple(_fall(row) for row in rows)
    notes = (
        (
            say(
                "The message of the median latency and the slowest {count} of each cell, from the moment "
                "it was due; each cell has its own scale.",
                count=SLOWEST,
            )
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "message", "block", "number", "latency", *PHASES)
    values = tuple(
        (
            fall.name,
            each.name,
            str(each.block),
            str(each.seq),
            show_us(each.latency_us),
            *map(show_us, each.phases_us),
        )
        for fall in falls
        for each in fall.messages
    )
    return Waterfall(Words(say("Single messages: {title}", title=group.title), notes, columns, values), falls)


def _fall(row: Row) -> Fall:
    middle = (row.count - 1) // 2  # the place, from 0, of the p50 among the sorted: ceil(n/2) - 1
    slowest = min(SLOWEST, row.count - 1)
    order = np.argpartition(row.latency_ns, sorted({middle, row.count - slowest - 1}))
    tail = order[row.count - slowest :]
    tail = tail[np.argsort(-row.latency_ns[tail], kind="stable")]
    chosen = [int(order[middle]), *tail.tolist()]
    names = [named("typical"), *(say("slowest {at}", at=at) for at in range(1, slowest + 1))]
    own = row.samples[row.chosen.rows[chosen]]
    phases = (phases_ns(own) / 1e3).tolist()
    messages = tuple(
        Message(name, int(sample["block"]), int(sample["seq"]), tuple(each))
        for name, sample, each in zip(names, own, phases, strict=True)
    )
    return Fall(row.entry["id"], row.name, row.valid, row.count, messages)


def draw(chart: Waterfall) -> Figure:
    """A panel for each cell, a row for each message."""
    notes = chart.words.notes
    heights = [on.ROW_IN * 0.8 * len(fall.messages) + 0.58 for fall in chart.falls]
    drawing = figure(heading_in(notes) + sum(heights) + 0.35)
    upper = heading(drawing, chart.words.title, notes)
    for fall, height in zip(chart.falls, heights, strict=True):
        _panel(drawing, fall, upper, height)
        upper += height
    shown = {
        name
        for fall in chart.falls
        for each in fall.messages
        for name, us in zip(PHASES, each.phases_us, strict=True)
        if us
    }
    on.swatches(drawing, HUES, [name for name in PHASES if name in shown])
    return drawing


def _panel(drawing: Figure, fall: Fall, upper: float, height: float) -> None:
    names = [f"{each.name}, #{each.seq}" for each in fall.messages]
    left, right = 1.5, 0.85
    axes = place(drawing, left, drawing.get_figheight() - upper - height + 0.28, right, upper + 0.25)
    longest = max(each.latency_us for each in fall.messages)
    divisor, unit = scale_us(longest)
    width = max(longest / divisor, 1e-9)
    on.rows_of_labels(axes, names, [not fall.valid] * len(names), 8.0)
    axes.set_xlim(0, width)
    on.title(axes, say("{name}, n={count}; latency, {unit}", name=fall.name, count=fall.count, unit=unit))
    on.across(axes, on.linear(width, 8), size=7.5)
    for y, each in enumerate(fall.messages):
        lengths = [us / divisor for us in each.phases_us]
        on.phase_row(
            axes, y, lengths, width=width, inches=WIDTH_IN - left - right, faint=not fall.valid,
            says=_says(fall, each),
        )  # fmt: skip
        on.beside(axes, sum(lengths), y, show_us(each.latency_us))


def _says(fall: Fall, each: Message) -> dict[str, str]:
    whole = max(each.latency_us, 1e-9)
    which = say(
        "{cell}, {which} (block {block}, message {seq})",
        cell=fall.name,
        which=each.name,
        block=each.block,
        seq=each.seq,
    )
    return {
        name: f"{which}: {named(name)} {show_us(us)}, {us / whole:.1%}"
        for name, us in zip(PHASES, each.phases_us, strict=True)
    }
