"""The stages of pipelines, hop by hop: a small table for each cell that has several; from run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.bar import PhaseBar
from benchkit.report.text import text
from benchkit.units import show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]
_FATES: Final = ("dead_lettered", "lost", "rejected", "dropped", "pending")


def hop_tables(cells: Sequence[Entry]) -> Iterator[Table]:
    """For the terminal: a table for each cell with several stages."""
    for cell in cells:
        if cell.get("hops"):
            yield _table(cell)


def _table(cell: Entry) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column(say("stages of {row}", row=cell["labels"]["row"]), overflow="fold", min_width=12)
    table.add_column(say("over"), overflow="fold", min_width=8)
    for name in (say("mean"), say("share"), say("busy")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(say("phases"), overflow="fold", min_width=14)
    for hop in cell["hops"]:
        phases = {name: each["share"] for name, each in hop["phases_us"].items()}
        table.add_row(
            text(_name(hop)), text(hop["transport"]), text(show_us(hop["latency_us"])),
            text(f"{hop['share']:.0%}"), text(_busy(hop)), PhaseBar(phases),
        )  # fmt: skip
    return table


def _name(hop: Entry) -> str:
    """`detect x2`, and what was not delivered there."""
    workers = f" x{hop['workers']}" if hop["workers"] > 1 else ""
    return f"{hop['name']}{workers}{_missing(hop)}"


def _missing(hop: Entry) -> str:
    fates = [
        f"{hop['account'][fate]} {named(fate.replace('_', '-'))}"
        for fate in _FATES
        if hop["account"].get(fate)
    ]
    return f" ({', '.join(fates)})" if fates else ""


def _busy(hop: Entry) -> str:
    return "-" if hop["utilisation"] is None else f"{min(1.0, hop['utilisation']):.0%}"


def hop_row(hop: Entry) -> dict[str, Any]:
    """For the page: what a hop is, and its phases."""
    kept = ("name", "stage", "after", "workers", "transport", "codec", "latency_us", "utilisation")
    phases = {f"{name}_us": each["mean"] for name, each in hop["phases_us"].items() if each["mean"]}
    return {**{key: hop.get(key) for key in kept}, "missing": _missing(hop).strip(" ()"), **phases}
