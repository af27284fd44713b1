"""Fault trials of several runs side by side: the same fault on the same cell, run after run, and no ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchkit.report.faults import cell_names, lost_brief, outcome, typical
from benchkit.report.text import text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
Key = tuple[str, str, str]
_STYLES = {"broken": "red", "undecided": "yellow", "invalid": "dim"}


def faults_side_by_side(documents: Sequence[Entry]) -> Iterator[RenderableType]:
    """A table of what at least two runs hold, and a line for what only one does; nothing without fault trials."""
    found = [_by_key(document) for document in documents]
    if not any(found):
        return
    shared = [
        key
        for key in dict.fromkeys(key for own in found for key in own)
        if sum(key in own for own in found) > 1
    ]
    yield text("Fault trials side by side", "bold")
    if shared:
        cells = [cell for document in documents for cell in document.get("cells", ())]
        yield _table(shared, found, cell_names(cells, [each for own in found for each in own.values()]))
        yield text(
            "guarantee, lost, median time until steady (n trials); runs are not paired, so a difference in time is one "
            "only where it is larger than the spread of the trials",
            "dim",
        )
        yield from _unlike(shared, documents)
    for number, own in enumerate(found, 1):
        alone = sum(key not in shared for key in own)
        if alone:
            yield text(f"only in run {number}: {alone} of the matrix's {len(own)} cells", "dim")
        elif not own:
            yield text(f"run {number} holds no fault trials", "dim")
    yield text("")


def _by_key(document: Entry) -> dict[Key, Entry]:
    rows = (document.get("faults") or {}).get("matrix", [])
    return {(each["fault"], each["moment"], each["cell"]): each for each in rows}


def _unlike(shared: Sequence[Key], documents: Sequence[Entry]) -> Iterator[RenderableType]:
    """Where a cell declared one thing in one run and another in the next, the two are no repetition."""
    declared: dict[str, set[str]] = {}
    for document in documents:
        for key, each in _by_key(document).items():
            if key in shared:
                known = document["faults"]["alike"]
                declared.setdefault(each["cell"], set()).add(
                    known[each["alike"]] if 0 <= each["alike"] < len(known) else ""
                )
    for cell, ways in declared.items():
        if len(ways) > 1:
            yield text(
                f"{cell} declares different things: {'; '.join(sorted(ways))}: not comparable", "yellow"
            )


def _table(shared: Sequence[Key], found: Sequence[Mapping[Key, Entry]], names: Mapping[str, str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("fault", overflow="fold", min_width=12)
    table.add_column("cell", overflow="fold", min_width=9)
    for number in range(1, len(found) + 1):
        table.add_column(f"run {number}", overflow="fold", min_width=14)
    for key in shared:
        table.add_row(
            text(f"{key[0]}, {key[1]}"),
            text(names[key[2]]),
            *(_square(own.get(key)) for own in found),
        )
    return table


def _square(each: Entry | None) -> RenderableType:
    if each is None:
        return text("-")
    told = outcome(each)
    return text(
        f"{told.words}; lost {lost_brief(each)}; {typical(each['mttr_s'])} ({each['mttr_s']['n']})",
        _STYLES.get(told.code, ""),
    )
