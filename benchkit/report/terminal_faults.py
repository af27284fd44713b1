"""Fault trials on a terminal of 80 columns: the matrix with the moments put together, and what was broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.recovery.matrix import over_moments
from benchkit.report.faults import (
    alike_words,
    cell_name,
    claims,
    letter,
    lost_brief,
    outcome,
    reasons,
    trials_named,
    typical,
)
from benchkit.report.text import text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
_STYLES: Final = {
    "kept": "green",
    "allowed": "yellow",
    "broken": "bold red",
    "undecided": "yellow",
    "invalid": "dim",
}


def fault_parts(document: Entry) -> Iterator[RenderableType]:
    """Nothing where no fault was done."""
    found = document.get("faults")
    if not found:
        return
    rows = over_moments(found["matrix"])
    yield text("")
    yield text("What faults did, and what each guarantee kept", "bold")
    yield _table(rows)
    yield _lines("-", [f"declares - {'; '.join(alike_words(found))}", _COLUMNS, *found["notes"]], "dim")
    yield text("")
    yield _lines("*", list(claims(found)))
    for code, message, remedy, trials in reasons(found):
        yield _lines("!", [f"{trials_named(trials)}: {message} [{code}]; {remedy}"])


_COLUMNS: Final = (
    "noticed, steady: median time from the injection over n trials; twice: deliveries too many; lost n/m: m were under "
    "way while the fault was on; ?: unknown"
)


def _table(rows: Sequence[Entry]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("fault", overflow="fold", min_width=11)
    table.add_column("cell", overflow="fold", min_width=9)
    table.add_column("", no_wrap=True)
    table.add_column("guarantee", no_wrap=True)
    for name in ("lost", "twice", "noticed", "steady", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for each in rows:
        found = outcome(each)
        fault = "" if each["fault"] == before else each["fault"]
        before = each["fault"]
        table.add_row(
            text(fault), text(cell_name(each, rows)), text(letter(each)), text(found.words, _STYLES[found.code]),
            text(lost_brief(each)), text(each["duplicated"] if each["valid"] else "-"),
            text(typical(each["detect_s"])), text(typical(each["mttr_s"])),
            text(each["trials"] if each["trials"] == each["valid"] else f"{each['valid']}/{each['trials']}"),
        )  # fmt: skip
    return table


def _lines(sign: str, lines: Sequence[str], style: str = "") -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(text(sign, style), text(line, style))
    return grid
