"""Runs side by side, for `benchkit compare`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchkit.analysis.compare import Difference, differing_machines
from benchkit.analysis.compare import compare as differences
from benchkit.analysis.words import times, times_with_interval
from benchkit.report.terminal import View
from benchkit.report.text import text
from benchkit.units import show_us

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_STYLES = {"faster": "green", "slower": "red"}


def compare(documents: Sequence[Mapping[str, Any]]) -> View:
    """The cells of the first run against the same cells of the later ones, with ratio and 95% interval."""
    return View(lambda _width: _pieces(documents))


def _pieces(documents: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    found = differences(documents)
    for number in range(1, len(documents)):
        own = [each for each in found if each.run == number]
        yield text(
            f"run {number + 1} against run 1: {_when(documents[number])} against {_when(documents[0])}",
            "bold",
        )
        names = {cell["id"]: cell for cell in documents[0]["cells"]}
        for group in dict.fromkeys(names[each.cell]["group"] for each in own):
            rows = [each for each in own if names[each.cell]["group"] == group]
            yield text(names[rows[0].cell]["labels"]["group"])
            yield _table(rows, {each.cell: str(names[each.cell]["labels"]["row"]) for each in rows})
        if not own:
            yield text("no cell in common")
        yield from _alone(documents, number)
        yield text("")
    yield text("Runs are not paired: what changed between them besides the cell is in the ratio too.", "dim")
    yield text(
        "[a, b]: 95% interval of the ratio, from block medians (Welch), widened for the number of cells.",
        "dim",
    )
    for at in differing_machines(documents):
        yield text(
            f"Run {at + 1} was measured on another machine than run 1: its ratios compare machines too.",
            "yellow",
        )
    for at, document in enumerate(documents, 1):
        if document.get("quick"):
            yield text(f"Run {at} was a quick one.", "yellow")


def _when(document: Mapping[str, Any]) -> str:
    return f"{document['scenario'].get('name', '?')} of {document['started_utc']}"


def _table(found: Sequence[Difference], names: Mapping[str, str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("cell", overflow="fold", min_width=16)
    for name in ("base p50", "p50", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("change", overflow="fold")
    for each in found:
        change = f"{each.change}: {each.why}" if each.why else each.change
        values = (show_us(each.base_us), show_us(each.p50_us), _ratio(each))
        table.add_row(text(names[each.cell]), *map(text, values), text(change, _STYLES.get(each.change, "")))
    return table


def _ratio(each: Difference) -> str:
    if each.ratio is None:
        return "-"
    return times(each.ratio) if each.interval is None else times_with_interval(each.ratio, each.interval)


def _alone(documents: Sequence[Mapping[str, Any]], number: int) -> Iterator[RenderableType]:
    base, other = ({cell["id"] for cell in documents[at]["cells"]} for at in (0, number))
    for ids, where in ((base - other, "run 1"), (other - base, f"run {number + 1}")):
        if ids:
            yield text(f"only in {where}: {', '.join(sorted(ids))}", "dim")
