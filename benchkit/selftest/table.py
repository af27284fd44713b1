"""The self-test's table at 80 columns: a pure function of its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.terminal import View
from benchkit.report.text import text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
_COLUMNS: Final = {
    "trials": "trials", "no verdict": "abstained", "phase": "phase", "resource": "resource", "kind": "of_kind",
    "conf. wrong": "confidently_wrong", "again": "repeated",
}  # fmt: skip


def report(document: Entry) -> View:
    """Kinds, what was said wrongly, and the bars."""

    def build(width: int) -> Iterator[RenderableType]:
        del width
        yield _kinds(document)
        yield text("")
        for line in grades(document):
            yield text(line)
        for bar in document["bars"]:
            yield from _bar(bar)

    return View(build)


def grades(document: Entry) -> Iterator[str]:
    """The hit rate by grade: what a confidence is worth."""
    for each in document["reliability"]:
        if each["verdicts"]:
            rate = each["right"] / each["verdicts"]
            span = f"grade {each['low']:.1f} to {each['high']:.1f}"
            yield f"{span}: {each['right']} of {each['verdicts']} wholly right ({rate:.0%})"


def _kinds(document: Entry) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("planted", overflow="fold", width=24)
    for name in _COLUMNS:
        table.add_column(name, justify="right", width=max(map(len, name.split())))
    for count in document["kinds"]:
        values = [str(count[field]) for field in _COLUMNS.values()]
        if count["refused"]:
            values[2] = f"{count['refused']} refused"
        good = count["both"] == count["decided"] and not count["confidently_wrong"]
        table.add_row(text(count["kind"]), *values, style="" if good else "yellow")
    return table


def _bar(bar: Entry) -> Iterator[RenderableType]:
    if bar["reached"] is not None:
        yield text(told(bar), "green" if bar["holds"] else "red")


def told(bar: Entry) -> str:
    """One promise in a line; it was measured."""
    most = "at most" if bar["name"] == "confidently wrong" else "at least"
    said = "holds" if bar["holds"] else "broken"
    return f"{bar['name']}: {bar['reached']:.1%} ({most} {bar['limit']:.0%}) {said}"
