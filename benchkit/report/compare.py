"""Runs side by side, for `benchkit compare`: the answer, a table a group, and what a reader must know first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.compare import Difference
from benchkit.analysis.compare import compare as differences
from benchkit.analysis.unlike import NOT_PAIRED, unlike
from benchkit.analysis.words import times, times_with_interval
from benchkit.report.bar import PHASES, PhaseBar, legend
from benchkit.report.compare_faults import faults_side_by_side
from benchkit.report.ratio_bar import RatioBar, span_of
from benchkit.report.several.side import sentence
from benchkit.report.terminal import View
from benchkit.report.text import text
from benchkit.units import show_us

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
_STYLES: Final = {"faster": "green", "slower": "red"}
_NARROW: Final = 100
"""Below it a cell takes two lines: its name, then its figures."""
_WIDE: Final = 150
"""From it on the phases of the later run have a column."""
_BAR: Final = 21
_BAR_WIDE: Final = 41


def compare(documents: Sequence[Entry]) -> View:
    """The cells of the first run against the same cells of the later ones, with ratio and 95% interval."""
    return View(lambda width: _pieces(documents, width))


def _pieces(documents: Sequence[Entry], width: int) -> Iterator[RenderableType]:
    found = differences(documents)
    for said in unlike(documents):
        yield text(said, "yellow")
    base = {cell["id"]: cell for cell in documents[0]["cells"]}
    span = span_of([(each.ratio, each.interval) for each in found])
    for number in range(2, len(documents) + 1):
        own = [each for each in found if each.run == number - 1]
        later = {cell["id"]: cell for cell in documents[number - 1]["cells"]}
        yield text(
            f"run {number} against run 1: {_when(documents[number - 1])} against {_when(documents[0])}",
            "bold",
        )
        for group in dict.fromkeys(base[each.cell]["group"] for each in own):
            rows = [each for each in own if base[each.cell]["group"] == group]
            yield text(base[rows[0].cell]["labels"]["group"])
            yield _table(rows, base, later, width, span)
        if not own:
            yield text("no cell in common")
        yield from _alone(documents, number - 1)
        yield text("")
    yield from faults_side_by_side(documents)
    yield text("In words", "bold")
    for number in range(2, len(documents) + 1):
        yield text(f"* {sentence(number, found, documents)}")
    yield text(f"* {NOT_PAIRED}")
    yield text("")
    yield from _footnotes(found, documents, width, span)


def _footnotes(
    found: Sequence[Difference], documents: Sequence[Entry], width: int, span: float
) -> Iterator[RenderableType]:
    if width >= _WIDE and found:
        cells = [cell for document in documents[1:] for cell in document["cells"]]
        yield from legend([name for name in PHASES if any(_shares(cell).get(name) for cell in cells)], width)
    yield text(
        "[a, b]: 95% interval of the ratio, from block medians (Welch), widened for the number of cells.",
        "dim",
    )
    if any(each.ratio for each in found):
        ends = f"{times(math.exp(-span))} to {times(math.exp(span))}"
        yield text(
            f"bars: {ends}, logarithmic; | is 1, O the ratio, = an interval without 1, - one with it", "dim"
        )


def _when(document: Entry) -> str:
    return f"{document['scenario'].get('name', '?')} of {document['started_utc']}"


def _table(
    found: Sequence[Difference],
    base: Mapping[str, Entry],
    later: Mapping[str, Entry],
    width: int,
    span: float,
) -> Table:
    from rich import box
    from rich.table import Table

    narrow = width < _NARROW
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("cell", overflow="fold", min_width=10 if narrow else 16)
    for name in ("base", "later") if narrow else ("base p50", "p50"):
        table.add_column(name, justify="right", no_wrap=True)
    if narrow:
        table.add_column("ratio and change", overflow="fold", min_width=21)
    else:
        table.add_column("ratio", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, width=_BAR_WIDE if width >= _WIDE else _BAR)
        table.add_column("change", overflow="fold", min_width=12)
    if width >= _WIDE:
        table.add_column("phases of the later run", no_wrap=True)
    for each in found:
        table.add_row(*_row(each, base[each.cell], later[each.cell], width, span))
    return table


def _row(each: Difference, base: Entry, later: Entry, width: int, span: float) -> Iterator[RenderableType]:
    from rich.console import Group

    change = text(f"{each.change}: {each.why}" if each.why else each.change, _STYLES.get(each.change, ""))
    bar = RatioBar(each.ratio, each.interval, span, _STYLES.get(each.change, ""))
    yield text(base["labels"]["row"])
    yield text(show_us(each.base_us))
    yield text(show_us(each.p50_us))
    if width < _NARROW:
        yield Group(text(_ratio(each)), *([bar] if each.ratio else []), change)
        return
    yield text(_ratio(each))
    yield bar
    yield change
    if width >= _WIDE:
        yield PhaseBar(_shares(later))


def _shares(cell: Entry) -> dict[str, float]:
    return {name: phase["share"] or 0.0 for name, phase in cell["phases_us"].items()}


def _ratio(each: Difference) -> str:
    if each.ratio is None:
        return "-"
    return times(each.ratio) if each.interval is None else times_with_interval(each.ratio, each.interval)


def _alone(documents: Sequence[Entry], number: int) -> Iterator[RenderableType]:
    base, other = ({cell["id"] for cell in documents[at]["cells"]} for at in (0, number))
    for ids, where in ((base - other, "run 1"), (other - base, f"run {number + 1}")):
        if ids:
            yield text(f"only in {where}: {', '.join(sorted(ids))}", "dim")
