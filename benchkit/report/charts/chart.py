"""What every chart says in words beside its picture, and how many cells it has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.report.groups import Row


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
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return rows[:most], (f"{most} of {len(rows)} cells are drawn; left out: {named}{more}",)


def not_measured(rows: Sequence[Row]) -> tuple[str, ...]:
    """Notes that name the cells without any message to show, and those of which only some are looked at."""
    notes = tuple(f"{row.label}: every {row.every}. message is looked at" for row in rows if row.every > 1)
    empty = [row.label for row in rows if not row.count]
    if not empty:
        return notes
    more = f" and {len(empty) - 4} more" if len(empty) > 4 else ""
    return (*notes, f"nothing measured: {', '.join(empty[:4])}{more}")


def scale_us(largest_us: float) -> tuple[float, str]:
    """Divisor and unit in which an axis that ends at `largest_us` is read most easily."""
    for divisor, unit in ((1e6, "s"), (1e3, "ms")):
        if largest_us >= 2 * divisor:
            return divisor, unit
    return 1.0, "us"
