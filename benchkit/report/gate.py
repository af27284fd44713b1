"""The gate on a terminal: pure functions of gate.json that return something to print, and print nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.terminal import View
from benchkit.report.text import text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    Pieces = Iterator[RenderableType]

Entry = Mapping[str, Any]
_STYLES: Final = {"FAIL": "bold red", "INCONCLUSIVE": "yellow", "WARN": "yellow", "PASS": "green"}


def gate(document: Entry, folder: object = None) -> View:
    """A table of cells and metrics, then what does not pass and why, the verdict last."""

    def build(_width: int) -> Pieces:
        base, candidate = document["base"]["told"], document["candidate"]["told"]
        yield text(f"{document['scenario']}: {candidate} against {base}", "bold")
        yield text(_extent(document))
        if document["rows"]:
            yield text("")
            yield _table(document["rows"])
            yield text("change: of the metric, candidate over base; interval at 95%, all looks together")
        yield text("")
        for line in _said(document):
            yield text(line)
        for each in document["missing"]:
            lacks = "neither side" if each["side"] == "both" else f"not the {each['side']}"
            yield text(f"- {each['cell']}: {lacks} has it; {each['why']}")
        for note in document["notes"]:
            yield text(f"- {note}")
        yield text("")
        for reason in document["reasons"]:
            yield text(f"{reason}")
        yield text(f"{document['verdict']}: {_in_short(document)}", _STYLES[document["verdict"]])
        if folder is not None:
            yield text(f"Files {folder}")

    return View(build)


def _extent(document: Entry) -> str:
    blocks = document["blocks"]
    told = f"{blocks['done']} of {blocks['planned']} blocks, {2 * blocks['done']} runs"
    if blocks["confirming"]:
        told += f", {blocks['confirming']} fresh blocks of what looked worse"
    return f"{told}, {document['seconds']:.0f} s"


def _table(rows: Sequence[Entry]) -> Table:
    from rich import box
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("cell and metric", overflow="fold")
    for name in ("change", "interval", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    before = None
    for row in rows:
        if row["cell"] != before:
            table.add_row(text(row["cell"]))
            before = row["cell"]
        verdict = "PASS, better" if row["improved"] else row["verdict"]
        style = "" if verdict == "PASS" else _STYLES[row["verdict"]]
        table.add_row(
            Padding(text(row["metric"]), (0, 0, 0, 2)), percent(row["change"]), span(row["interval"]),
            f"{'-' if row['metric'] == 'throughput' else '+'}{100 * row['delta']:g}%", text(verdict, style),
        )  # fmt: skip
    return table


def percent(share: float | None) -> str:
    """0.1123 -> '+11.2%'; None -> '-'."""
    return "-" if share is None else f"{100 * share:+.1f}%"


def span(interval: Sequence[float | None] | None) -> str:
    """`[-0.4%, +0.9%]`; an end that nothing bounds is `?`."""
    if interval is None:
        return "-"
    return f"[{', '.join('?' if end is None else percent(end) for end in interval)}]"


def _said(document: Entry) -> Iterator[str]:
    for row in document["rows"]:
        name = f"{row['cell']} {row['metric']}"
        if row["verdict"] == "FAIL":
            worse = "lower" if row["metric"] == "throughput" else "slower"
            yield f"- FAIL {name}: {worse}, {percent(row['change'])} {span(row['interval'])}{_before(row)}"
        elif row["verdict"] == "WARN":
            yield f"- WARN {name}: {percent(row['change'])}: {row['why']}{_before(row)}"
        elif row["verdict"] == "INCONCLUSIVE":
            yield f"- INCONCLUSIVE {name}: {row['why']}{_needed(row)}{_before(row)}"
        elif row["improved"]:
            yield f"- better {name}: {percent(row['change'])} {span(row['interval'])}"


def _before(row: Entry) -> str:
    first = row["suspected"]
    if first is None:
        return ""
    return f" ({row['pairs']} fresh blocks; the {first['pairs']} before: {percent(first['change'])})"


def _needed(row: Entry) -> str:
    if row["blocks_needed"] is None:
        return ""
    minutes = row["minutes_needed"]
    return f"; about {row['blocks_needed']} blocks would decide ({minutes:.1f} min): --blocks"


def _in_short(document: Entry) -> str:
    counts = dict.fromkeys(_STYLES, 0)
    for row in document["rows"]:
        counts[row["verdict"]] += 1
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    better = sum(row["improved"] for row in document["rows"])
    if better:
        parts.append(f"{better} better")
    return ", ".join(parts) or "nothing was compared"
