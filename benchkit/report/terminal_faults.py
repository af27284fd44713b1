"""Fault trials on a terminal of 80 columns: the matrix with the moments put together, and what was broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.recovery.matrix import over_moments
from benchkit.report.excerpt import excerpt
from benchkit.report.faults import (
    Outcome,
    alike_words,
    cell_names,
    claims,
    left_out,
    letter,
    lost_brief,
    outcome,
    reasons,
    row_name,
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
    yield text("")
    yield text("What faults did, and what each guarantee kept", "bold")
    if found["matrix"]:
        yield from _done(document, found)
    names = {each["id"]: row_name(each["labels"]) for each in document["cells"]}
    for fault, why, cells in left_out(found, names):
        yield _lines("-", [f"{fault} could not be done to {cells}: {why}"], "dim")


def _done(document: Entry, found: Entry) -> Iterator[RenderableType]:
    for title, rows in _groups(document["cells"], over_moments(found["matrix"])):
        if title:
            yield text(title)
        yield _table(rows)
        yield text("")
    yield _lines("-", [f"declares - {'; '.join(alike_words(found))}", _COLUMNS, *found["notes"]], "dim")
    yield text("")
    yield _lines("*", list(claims(found, cell_names(document["cells"], found["matrix"]))))
    for code, message, remedy, trials in reasons(found):
        yield _lines("!", [f"{trials_named(trials)}: {message} [{code}]; {remedy}"])


_NAMES: Final = 20
_COLUMNS: Final = (
    "noticed, steady: median time from the injection over n trials, never: not while it was watched; twice: "
    "deliveries too many; lost n/m: m were under way while the fault was on; ?: unknown"
)


def _groups(
    cells: Sequence[Entry], entries: Sequence[Entry]
) -> Iterator[tuple[str, list[tuple[str, Entry]]]]:
    """A title for cells under the same load and their names with what became of them; no title where all are alike."""
    labels = {each["id"]: each["labels"] for each in cells}
    together: dict[str, list[Entry]] = {each["group"]: [] for each in labels.values()}
    for each in entries:
        title = labels[each["cell"]]["group"] if each["cell"] in labels else ""
        together.setdefault(title, []).append(each)
    used = {title: own for title, own in together.items() if own}
    for title, own in used.items():
        names = cell_names(cells, own)
        yield title if len(used) > 1 else "", [(names[each["cell"]], each) for each in own]


def _table(rows: Sequence[tuple[str, Entry]]) -> Table:
    """A line for each fault, and below it one for each cell: names have the room that figures leave."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("fault, cell", overflow="fold", min_width=_NAMES)
    table.add_column("", no_wrap=True)
    table.add_column("guarantee", no_wrap=True)
    for name in ("lost", "twice", "noticed", "steady", "n"):
        # "900 ms, 3 never" is rare and takes a second line where there is no room.
        table.add_column(
            name, justify="right", no_wrap=name not in ("noticed", "steady"), min_width=len(name)
        )
    before = None
    for name, each in rows:
        found = outcome(each)
        if each["fault"] != before:
            before = each["fault"]
            table.add_row(text(excerpt(before, 60), "bold"))
        table.add_row(
            Padding(text(name), (0, 0, 0, 2)), text(letter(each)), text(_kept(found), _STYLES[found.code]),
            text(lost_brief(each)), text(each["duplicated"] if each["valid"] else "-"),
            text(typical(each["detect_s"])), text(typical(each["mttr_s"])),
            text(each["trials"] if each["trials"] == each["valid"] else f"{each['valid']}/{each['trials']}"),
        )  # fmt: skip
    return table


def _kept(found: Outcome) -> str:
    """What was lost with leave stands in the next column."""
    return "kept" if found.code == "allowed" else found.words


def _lines(sign: str, lines: Sequence[str], style: str = "") -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(text(sign, style), text(line, style))
    return grid
