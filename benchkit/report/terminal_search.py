"""The terminal's table of what searches found; pure functions of run.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchkit.analysis.search_words import is_search, promised
from benchkit.report.text import rate, text
from benchkit.units import show_us

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]


def search_table(cells: Sequence[Entry], document: Entry) -> Table:
    """One row a cell: the rate, where its edge lies, how late messages are there, and what limits it."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("transport", overflow="fold", min_width=9)
    table.add_column("codec", overflow="fold", min_width=5)
    for name in ("rate", "interval", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("limited by", overflow="fold", min_width=8)
    places = {place["cell"]: place for place in document["ranking"]}
    for cell in cells:
        best = bool(places.get(cell["id"], {}).get("tied_with_best"))
        table.add_row(*_row(cell, best), style="" if cell["validity"]["valid"] else "dim")
    return table


def _row(cell: Entry, best: bool) -> Iterator[RenderableType]:
    row, transport = str(cell["labels"]["row"]), str(cell["transport"])
    found = cell["capacity"] if "capacity" in cell else cell["backlog"]
    held, latency = found["rate_per_s"], cell["latency_us"]
    yield text(transport)
    yield text(row.removeprefix(transport).strip() or str(cell["codec"]))
    yield text("none" if held is None else rate(held), "bold" if best else "")
    yield text(_interval(found["interval"]))
    yield text(show_us(latency["p50"]))
    yield text(show_us(latency["p99"]))
    if cell["validity"]["valid"]:
        yield text(_limit(cell))
    else:
        codes = (each["code"] for each in cell["validity"]["reasons"] if each["severity"] == "invalid")
        yield text(f"not valid: {', '.join(dict.fromkeys(codes)).replace('-', ' ')}", "red")


def _interval(ends: Sequence[float | None] | None) -> str:
    low, high = ("?" if end is None else rate(end).removesuffix("/s") for end in ends or (None, None))
    return f"{low} to {high}"


def _limit(cell: Entry) -> str:
    if "backlog" in cell:
        return f"{cell['backlog']['filled']} waited"
    found = cell["capacity"]
    if found["rate_per_s"] is None:
        return f"at best {show_us(found['smallest_us'])}" if found["ended"] == "found" else "unfinished"
    return f"{found['limited_by']}, a {found['edge']['kind']}" if found["edge"] else "nothing yet"


def search_footnotes(document: Entry) -> Iterator[RenderableType]:
    """What the columns of searches mean."""
    cells = [cell for cell in document["cells"] if is_search(cell)]
    slos = dict.fromkeys(promised(cell["capacity"]["slo"]) for cell in cells if "capacity" in cell)
    if slos:
        yield text(
            f"rate: the highest that keeps {'; or '.join(slos)}; interval: highest rate surely kept to lowest"
            " surely broken (99% each)",
            "dim",
        )
        yield text("cliff: just above it the queue grows without end; slope: only latency does", "dim")
    if any("backlog" in cell for cell in cells):
        yield text("rate: messages a second out of a filled queue; interval: 95%, over the blocks", "dim")
