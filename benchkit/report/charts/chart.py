"""What every chart says in words beside its picture, and how many cells it has room for.

What a page may rely on:

* `Chart.svg(name)` gives the drawing with every id prefixed by `name-`; it has a `<title>` and a `<desc>`, no style
  attribute and no style element. Its colours are the attributes `fill` and `stroke` of light ground;
  `palette.dark_twins()` names the colour of each on dark ground, so that one drawing follows the page's theme.
* `Chart.marks` are the pieces of the drawing that carry a value: `Mark.gid` is the id of the element, a `<g>`, without
  the prefix (the element is `#{name}-{gid}`, and has the class `mark`), `Mark.words` is the exact value in words,
  unescaped. The element's first child is a `<title>` with the same words, so that a browser shows them on hover
  without a script; a page with tooltips of its own may read the words there.
* `Chart.words.values` is every value drawn as a table, `Chart.png(dark=...)` a picture of 144 dots per inch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.report.groups import Row
from benchkit.words import say


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of a drawing that carries a value."""

    gid: str
    """Id of its element in the SVG, without the chart's prefix."""
    words: str
    """What it is and its exact value, one line, not escaped."""


@dataclass(frozen=True, slots=True)
class Words:
    """Title, notes (units, sample sizes, what was left out), and every value drawn as a table."""

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @property
    def description(self) -> str:
        """The chart for somebody who does not see it."""
        return "; ".join(self.notes)


def room_for(rows: Sequence[Row], most: int) -> tuple[Sequence[Row], tuple[str, ...]]:
    """The rows that are drawn, and a note that names the ones that are not."""
    left = rows[most:]
    if not left:
        return rows, ()
    named = ", ".join(row.name for row in left[:3])
    more = say(" and {count} more", count=len(left) - 3) if len(left) > 3 else ""
    return rows[:most], (
        say(
            "{most} of {rows} cells are drawn; left out: {named}{more}",
            most=most,
            rows=len(rows),
            named=named,
            more=more,
        ),
    )


def left_out(names: Sequence[str]) -> tuple[str, ...]:
    """A note that names what is not drawn."""
    more = say(" and {count} more", count=len(names) - 4) if len(names) > 4 else ""
    return (say("left out: {names}{more}", names=", ".join(names[:4]), more=more),) if names else ()


def not_measured(rows: Sequence[Row]) -> tuple[str, ...]:
    """Notes that name the cells without any message to show, and those of which only some are looked at."""
    notes = tuple(
        say("{label}: every {every}. message is looked at", label=row.label, every=row.every)
        for row in rows
        if row.every > 1
    )
    empty = [row.label for row in rows if not row.count]
    if not empty:
        return notes
    more = say(" and {count} more", count=len(empty) - 4) if len(empty) > 4 else ""
    return (*notes, say("nothing measured: {empty}{more}", empty=", ".join(empty[:4]), more=more))


def scale_us(largest_us: float) -> tuple[float, str]:
    """Divisor and unit in which an axis that ends at `largest_us` is read most easily."""
    for divisor, unit in ((1e6, "s"), (1e3, "ms")):
        if largest_us >= 2 * divisor:
            return divisor, unit
    return 1.0, "us"
