"""Phase bars: where the time of a typical message goes, and of the slowest ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from benchkit.analysis.ledger import phases_ns
from benchkit.analysis.quantiles import enough
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

MOST_CELLS: Final = 16
Which = Literal["typical", "slowest 1%", "slowest 10%"]


@dataclass(frozen=True, slots=True)
class Bar:
    """The mean phases (us) of some messages of a cell in the order of PHASES; they add up."""

    cell: str
    name: str
    which: Which
    count: int
    of: int
    """The cell's messages, of which these are `count`."""
    phases_us: tuple[float, ...]
    valid: bool

    @property
    def total_us(self) -> float:
        """The mean latency of these messages."""
        return sum(self.phases_us)


@dataclass(frozen=True, slots=True)
class PhaseBars:
    """What is drawn: one typical bar a cell, and one of its slowest messages where there are enough."""

    words: Words
    typical: tuple[Bar, ...]
    slow: tuple[Bar | None, ...]


def phase_bars(group: Group) -> PhaseBars | None:
    """None when no cell of the group has a message to show."""
    rows, left_out = room_for(group.measured, MOST_CELLS)
    if not rows:
        return None
    typical = tuple(_typical(row) for row in rows)
    slow = tuple(_slow(row) for row in rows)
    few = [row.label for row, bar in zip(rows, slow, strict=True) if bar is None]
    notes = (
        (
            say(
                "Mean phases of the tenth of the n messages around the median (left) and of the slowest "
                "(right); each side has its own scale."
            )
        ),
        *(
            (
                say(
                    "too few messages to speak of slow ones: {few}{more}",
                    few=", ".join(few[:4]),
                    more=" ..." if few[4:] else "",
                ),
            )
            if few
            else ()
        ),
        *left_out,
        *not_measured(group.rows),
    )
    columns = ("cell", "messages", "of", say("mean latency"), *PHASES)
    return PhaseBars(
        Words(
            say("Where the time goes: {title}", title=group.title),
            notes,
            columns,
            tuple(_values(typical, slow)),
        ),
        typical,
        slow,
    )


def _bar(row: Row, which: Which, chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Bar:
    means = phases_ns(row.samples[row.chosen.rows[chosen]]).mean(axis=0) / 1e3
    return Bar(row.entry["id"], row.name, which, len(chosen), row.count, tuple(means.tolist()), row.valid)


def _typical(row: Row) -> Bar:
    first, last = int(0.45 * row.count), max(int(0.45 * row.count) + 1, -int(-0.55 * row.count // 1))
    return _bar(row, "typical", np.argpartition(row.latency_ns, (first, last - 1))[first:last])


def _slow(row: Row) -> Bar | None:
    for name, which, share in (("p99", "slowest 1%", 100), ("p90", "slowest 10%", 10)):
        if enough(row.count, name):
            count = -(-row.count // share)
            return _bar(row, which, np.argpartition(row.latency_ns, row.count - count)[row.count - count :])  # type: ignore[arg-type]  # a literal of Which
    return None


def _values(typical: Sequence[Bar], slow: Sequence[Bar | None]) -> Iterator[tuple[str, ...]]:
    for bars in zip(typical, slow, strict=True):
        for bar in bars:
            if bar is not None:
                phases = map(show_us, bar.phases_us)
                yield (
                    bar.name,
                    f"{named(bar.which)}: {bar.count}",
                    str(bar.of),
                    show_us(bar.total_us),
                    *phases,
                )


def draw(bars: PhaseBars) -> Figure:
    """Two panels side by side, a row for each cell."""
    names = [f"{bar.name}, n={bar.of}" for bar in bars.typical]
    notes = bars.words.notes
    drawing = figure(heading_in(notes) + on.ROW_IN * len(names) + 1.05)
    top = heading(drawing, bars.words.title, notes) + 0.22
    left = on.label_width_in(names)
    half = (WIDTH_IN - left) / 2
    _panel(drawing, bars.typical, names, (left, half + 0.62, top), say("typical message"))
    kinds = dict.fromkeys(bar.which for bar in bars.slow if bar is not None)
    known = [named(kind) for kind in kinds] or [say("slow messages: too few")]
    said = reduce(lambda some, last: say("{some} or {last}", some=some, last=last), known)
    _panel(drawing, bars.slow, [""] * len(names), (left + half - 0.02, 0.68, top), said)
    drawn = [bar for bar in (*bars.typical, *bars.slow) if bar is not None]
    shown = [name for at, name in enumerate(PHASES) if any(bar.phases_us[at] > 0 for bar in drawn)]
    on.swatches(drawing, HUES, shown)
    return drawing


def _panel(
    drawing: Figure,
    bars: Sequence[Bar | None],
    names: Sequence[str],
    sides: tuple[float, float, float],
    title: str,
) -> None:
    left, right, top = sides
    axes = place(drawing, left, 0.75, right, top)
    longest = max((bar.total_us for bar in bars if bar is not None), default=0.0)
    divisor, unit = scale_us(longest)
    width = max(longest / divisor, 1e-9)
    on.rows_of_labels(axes, names, [bar is not None and not bar.valid for bar in bars])
    axes.set_xlim(0, width)
    on.title(axes, title, 9)
    if longest:
        on.across(axes, on.linear(width), unit=say("latency, {unit}", unit=unit))
    for y, bar in enumerate(bars):
        if bar is None:
            on.beside(axes, 0, y, say("too few messages"))
            continue
        on.phase_row(
            axes, y, [each / divisor for each in bar.phases_us], width=width, inches=WIDTH_IN - left - right,
            faint=not bar.valid, says=_says(bar),
        )  # fmt: skip
        on.beside(axes, bar.total_us / divisor, y, show_us(bar.total_us))


def _says(bar: Bar) -> dict[str, str]:
    whole = max(bar.total_us, 1e-9)
    return {
        name: say(
            "{cell}, {which} (mean of {count}): {phase} {us}, {share:.1%}",
            cell=bar.name,
            which=named(bar.which),
            count=bar.count,
            phase=named(name),
            us=show_us(us),
            share=us / whole,
        )
        for name, us in zip(PHASES, bar.phases_us, strict=True)
    }
