"""What faults did to which transport: one square for each pair, its colour the outcome, its depth the time it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words, left_out
from benchkit.report.charts.letters import fitted
from benchkit.report.charts.palette import ALARM, GROUND, INK, PHASES, QUIET, SHADE
from benchkit.report.excerpt import excerpt, short
from benchkit.report.faults import (
    Outcome,
    alike_words,
    cell_names,
    letter,
    lost_words,
    moments_words,
    outcome,
    seconds,
    typical,
    with_interval,
)
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
MOST_ROWS: Final = 40
MOST_COLUMNS: Final = 14
_ROW_IN: Final = 0.3
_HEAD_IN: Final = 2.6
"""For the names of cells above their columns, at the most."""
_COLORS: Final = {
    "kept": PHASES["decode"].light,
    "allowed": PHASES["encode"].light,
    "broken": ALARM,
    "undecided": PHASES["reply"].light,
    "invalid": SHADE,
}
_DEPTH: Final = (0.15, 0.45)
"""How solid the colour of the shortest and of the longest time to recover is: words stay readable on either ground."""


@dataclass(frozen=True, slots=True)
class Square:
    """One fault on one cell."""

    row: int
    column: int
    outcome: Outcome
    depth: float
    words: str
    """Inside it: the time to recover, and what was lost."""
    says: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """What is drawn."""

    words: Words
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    letters: tuple[str, ...]
    """Of each column, what it declares; columns that declare the same stand together."""
    squares: tuple[Square, ...]


def fault_matrix(document: Entry) -> Matrix | None:
    """None where no fault was done."""
    found = document.get("faults")
    if not found or not found["matrix"]:
        return None
    entries = found["matrix"]
    rows = list(dict.fromkeys(_row(each) for each in entries))
    columns = sorted({(each["alike"], each["cell"]) for each in entries})
    names = cell_names(document["cells"], entries)
    longest = max((each["mttr_s"]["median_s"] or 0.0 for each in entries), default=0.0)
    squares = tuple(
        _square(each, rows.index(_row(each)), columns.index((each["alike"], each["cell"])), names, longest)
        for each in entries
        if rows.index(_row(each)) < MOST_ROWS and columns.index((each["alike"], each["cell"])) < MOST_COLUMNS
    )
    return Matrix(
        _words(found, names, [*rows[MOST_ROWS:], *(names[cell] for _, cell in columns[MOST_COLUMNS:])]),
        tuple(rows[:MOST_ROWS]),
        tuple(names[cell] for _, cell in columns[:MOST_COLUMNS]),
        tuple(letter({"alike": at}) for at, _ in columns[:MOST_COLUMNS]),
        squares,
    )


def _row(each: Entry) -> str:
    return f"{excerpt(each['fault'], 60)}, {moments_words(each)}"


def _square(each: Entry, row: int, column: int, names: Mapping[str, str], longest: float) -> Square:
    found, took = outcome(each), each["mttr_s"]["median_s"]
    low, high = _DEPTH
    depth = low + (high - low) * math.sqrt((took or 0.0) / longest) if longest else low
    if took is None and each["mttr_s"]["n"]:
        depth = high  # never is longer than anything
    said = say(
        "{row}, {cell}: {outcome}; lost {lost}, duplicated {duplicated}; noticed after {detect}, steady after {steady}",
        row=_row(each),
        cell=names[each["cell"]],
        outcome=found.words,
        lost=lost_words(each),
        duplicated=each["duplicated"],
        detect=typical(each["detect_s"]),
        steady=with_interval(each["mttr_s"]),
    )
    return Square(row, column, found, 1.0 if found.code == "broken" else depth, _inside(each, found), said)


def _inside(each: Entry, found: Outcome) -> str:
    """`0.6 s`; a loss or a breach stands before it."""
    if found.code == "invalid":
        return "-"
    took = each["mttr_s"]["median_s"]
    told = say("never") if took is None else seconds(took)
    sign = {"broken": "✗ ", "undecided": "? "}.get(found.code, "")
    return f"{sign}{told}" if not each["lost"] else f"{sign}{told}\n{say('lost {lost}', lost=each['lost'])}"


def _words(found: Entry, names: Mapping[str, str], left: Sequence[str]) -> Words:
    notes = (
        say(
            "In each square the median time from the injection until steady, and what was lost. The deeper its "
            "colour, the longer."
        ),
        say(
            "Green: kept. Yellow: kept, with a loss that the declaration allows. Red, cross: broken. Grey, ?: "
            "undecided. Pale, -: no valid trial."
        ),
        *_declared(found),
        say(
            "Killing a process does not prove durability: the kernel keeps what was written; a power cut would not."
        ),
        *left_out(list(left)),
    )
    columns = (
        say("fault"), named("cell"), say("declares"), named("verdict"), named("lost"), named("duplicated"),
        say("noticed after"), say("steady after (MTTR)"),
    )  # fmt: skip
    values = tuple(
        (
            _row(each), names[each["cell"]], excerpt(found["alike"][each["alike"]], 100), outcome(each).words,
            lost_words(each), str(each["duplicated"]), typical(each["detect_s"]), with_interval(each["mttr_s"]),
        )
        for each in found["matrix"]
    )  # fmt: skip
    return Words(say("Faults by transport: what was kept, and how long it took"), notes, columns, values)


def _declared(found: Entry) -> list[str]:
    """Two declarations a line."""
    told = alike_words(found)
    pairs = ["; ".join(told[at : at + 2]) for at in range(0, len(told), 2)]
    return [say("Never ranked across letters. {alike}", alike=pairs[0]), *pairs[1:]] if pairs else []


def draw(chart: Matrix) -> Figure:
    """Faults down, transports across."""
    notes = chart.words.notes
    names = [short(each, 48) for each in chart.columns]
    above = 0.25 + on.label_width_in(names, _HEAD_IN, 8.0)
    drawing = figure(heading_in(notes) + above + _ROW_IN * len(chart.rows) + 0.15)
    top = heading(drawing, chart.words.title, notes) + above
    left = 0.15 + on.label_width_in(chart.rows, 2.4, 8.0)
    wide = min(WIDTH_IN - left - 0.15, 1.1 * len(names))
    axes = place(drawing, left, 0.12, WIDTH_IN - left - wide, top)
    axes.set_xlim(-0.5, len(names) - 0.5)
    on.rows_of_labels(axes, chart.rows, [False] * len(chart.rows), 8.0)
    _heads(axes, names, chart.letters)
    for each in chart.squares:
        _draw(axes, each, wide / len(names))
    return drawing


def _heads(axes: Axes, names: Sequence[str], letters: Sequence[str]) -> None:
    """Names upright, and over each the letter of what it declares; a line where the letter changes."""
    over = on.moved(axes, axes.get_xaxis_transform(), up=4)
    for at, name in enumerate(names):
        axes.text(
            at, 1, letters[at], transform=over, ha="center", va="bottom", size=8, weight="bold", color=QUIET
        )
        higher = on.moved(axes, axes.get_xaxis_transform(), up=17)
        axes.text(
            at,
            1,
            fitted(name, _HEAD_IN, 8),
            transform=higher,
            ha="center",
            va="bottom",
            size=8,
            rotation=90,
            color=INK,
        )
        if at and letters[at] != letters[at - 1]:
            on.line(
                axes, (at - 0.5, at - 0.5), (0, 1.04), transform=axes.get_xaxis_transform(), color=QUIET,
                linewidth=1.2, clip_on=False, zorder=3,
            )  # fmt: skip


def _draw(axes: Axes, each: Square, width_in: float) -> None:
    drawn = on.box(
        axes, (each.column - 0.47, each.row - 0.45), 0.94, 0.9, facecolor=_COLORS[each.outcome.code],
        alpha=each.depth,
    )  # fmt: skip
    mark(drawn, each.says)
    words = "\n".join(fitted(line, width_in - 0.04, 7) for line in each.words.split("\n"))
    color = {"broken": GROUND, "invalid": QUIET}.get(each.outcome.code, INK)
    axes.text(
        each.column, each.row, words, ha="center", va="center", size=7 if "\n" not in words else 6.2, color=color,
        linespacing=0.95,
    )  # fmt: skip
