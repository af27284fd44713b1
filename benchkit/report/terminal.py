"""The terminal's report: pure functions of run.json that return something to print, and print nothing.

They fit the width and the encoding of the console that prints them; a pipe gets the same letters without
colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.drift import in_words
from benchkit.analysis.guarantees import durability
from benchkit.analysis.quantiles import PERCENTILES, minimum_samples
from benchkit.analysis.search_words import is_search
from benchkit.analysis.words import times, times_with_interval
from benchkit.report import promised
from benchkit.report.alerts import claims as alert_claims
from benchkit.report.bar import PHASES, PhaseBar, legend
from benchkit.report.codecs import codec_table
from benchkit.report.freshness import terminal_parts
from benchkit.report.hops import hop_tables
from benchkit.report.limits import of_run
from benchkit.report.link_words import link_lines
from benchkit.report.profiles import brief
from benchkit.report.terminal_faults import fault_parts
from benchkit.report.terminal_search import search_footnotes, search_table
from benchkit.report.terminal_whatif import what_if
from benchkit.report.text import ascii_twin, cpu_us, rate, text, within
from benchkit.report.told_words import told_lines
from benchkit.report.traffic_words import traffic_lines
from benchkit.report.verdicts import verdicts
from benchkit.units import show_us

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    Pieces = Iterator[RenderableType]

Entry = Mapping[str, Any]
_WIDE: Final = 120
"""From this width on the guarantee, the ratio to the best and the bottleneck have columns of their own."""


@dataclass(frozen=True, slots=True)
class View:
    """Something to show that is laid out when the console's width and encoding are known."""

    build: Callable[[int], Pieces]
    """Takes the width in columns."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for piece in self.build(options.max_width):
            if not options.ascii_only:
                yield piece
                continue
            for words, style, control in console.render(piece, options):
                yield Segment(ascii_twin(words), style, control)


def report(document: Entry, folder: Path | None = None) -> View:
    """A table per group, the answer, what is not valid and why, and where the files are."""

    def build(width: int) -> Pieces:
        yield from _banner(document)
        for group in dict.fromkeys(cell["group"] for cell in document["cells"]):
            cells = _in_order(document, group)
            yield text(cells[0]["labels"]["group"], "bold")
            yield search_table(cells, document) if is_search(cells[0]) else _table(cells, document, width)
            yield text("")
            for row, told in traffic_lines(cells):
                yield _entry("=", f"{row}: {told}")
            for table in (*hop_tables(cells), *codec_table(cells)):
                yield table
                yield text("")
        yield from _live(document, width)
        yield from _footnotes(document, width)
        yield from _links(document)
        yield from _told(document)
        yield from _answer(document)
        yield from _verdicts(document)
        yield from _limits(document)
        yield from what_if(document)
        yield from fault_parts(document)
        yield from _alerts(document)
        yield from _invalid(document)
        yield from _notes(document)
        yield from _drift(document)
        yield from _profiles(document)
        yield from _resumed(document)
        yield from _failures(document)
        yield from _promises(document)
        if folder is not None:
            yield _entry("Files", folder)

    return View(build)


def explain_invalid(document: Entry) -> View:
    """Why cells are not valid and what to do, each reason once."""
    return View(lambda _width: _invalid(document))


def _in_order(document: Entry, group: str) -> list[Entry]:
    """The group's cells: ranked ones first, fastest at the top."""
    places = {place["cell"]: at for at, place in enumerate(document["ranking"])}
    cells = [cell for cell in document["cells"] if cell["group"] == group]
    return sorted(cells, key=lambda cell: places.get(cell["id"], len(places)))


def _banner(document: Entry) -> Pieces:
    if document.get("interrupted"):
        yield text("interrupted: what follows is what was measured until then", "bold yellow")
    if document.get("quick"):
        yield text(
            "quick run: short blocks, wide intervals; measure without --quick before deciding", "yellow"
        )


def _table(cells: Sequence[Entry], document: Entry, width: int) -> Table:
    from rich import box
    from rich.table import Table

    wide = width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    table.add_column("transport", overflow="fold", min_width=9)
    table.add_column("codec", overflow="fold", min_width=6)
    for name in ("p50", "p99", "rate", "CPU/msg"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("to the best", justify="right", no_wrap=True)
        table.add_column("bottleneck", overflow="fold")
        table.add_column("guarantee", overflow="fold")
    table.add_column("phases of the mean latency" if wide else "phases", overflow="fold", min_width=14)
    places = {place["cell"]: place for place in document["ranking"]}
    for cell in cells:
        table.add_row(
            *_row(cell, places.get(cell["id"]), wide), style="" if cell["validity"]["valid"] else "dim"
        )
    return table


def _row(cell: Entry, place: Entry | None, wide: bool) -> Iterator[RenderableType]:
    latency = cell["latency_us"]
    transport, codec = _names(cell)
    yield text(transport)
    yield text(codec)
    yield text(
        within(latency["p50"], latency["p50_ci95"]), "bold" if place and place["tied_with_best"] else ""
    )
    yield text(show_us(latency["p99"]))
    yield text(rate(cell["throughput"]["messages_per_s"]) if latency["count"] else "-")
    yield text(show_us(cpu_us(cell["cost"])))
    if wide:
        yield text(_against_best(place))
        verdict = cell["verdict"]
        whose = verdict.get("stage") or verdict["resource"]
        yield text(verdict["bottleneck"] + ("" if verdict["resource"] == "none" else f" ({whose})"))
        yield text(f"{cell['guarantee']['delivery']}, {durability(cell['guarantee'])}")
    if cell["validity"]["valid"]:
        yield PhaseBar({name: phase["share"] for name, phase in cell["phases_us"].items()})
    else:
        yield text(f"not valid: {', '.join(code.replace('-', ' ') for code in _codes(cell))}", "red")


def _names(cell: Entry) -> tuple[str, str]:
    """Transport, and codec with what else tells the cell apart from its neighbours."""
    row = str(cell["labels"]["row"])
    transport = str(cell["transport"])
    return transport, row.removeprefix(transport).strip() or str(cell["codec"])


def _against_best(place: Entry | None) -> str:
    if place is None:
        return "-"
    if place["ratio_ci95"] is None:
        return f"{times(place['ratio_to_best'])} (?)"
    if place["ratio_ci95"] == [1.0, 1.0]:
        return "best"
    tie = "tied " if place["tied_with_best"] else ""
    return tie + times_with_interval(place["ratio_to_best"], place["ratio_ci95"])


def _codes(cell: Entry) -> list[str]:
    found = (reason["code"] for reason in cell["validity"]["reasons"] if reason["severity"] == "invalid")
    return list(dict.fromkeys(found))


def _footnotes(document: Entry, width: int) -> Pieces:
    valid = [cell for cell in document["cells"] if cell["validity"]["valid"]]
    valid = [cell for cell in valid if not is_search(cell)]
    yield from search_footnotes(document)
    if valid:
        shown = [name for name in PHASES if any(cell["phases_us"][name]["share"] > 0 for cell in valid)]
        yield from legend(shown, width)
    yield text("± farther end of the 95% interval; CPU/msg: producer, stage and broker together", "dim")
    if any(cell["latency_us"]["p99"] is None for cell in valid):
        needs = minimum_samples(PERCENTILES["p99"])
        yield text(f"- in p99: the sample is too small, {needs} messages are needed", "dim")
    errors = [cell["latency_us"].get("error") for cell in valid]
    if any(errors):
        most = max(filter(None, errors))
        yield text(
            f"percentiles of more than ten million messages: from a histogram, within {most:.1%}", "dim"
        )
    kinds: dict[str, list[str]] = {}
    for cell in document["cells"]:
        if cell["guarantee"]["delivery"] == "unknown":
            continue
        where = "on" if cell["guarantee"]["durability"] == "disk" else "in"
        kind = f"{cell['guarantee']['delivery']}, held {where} {durability(cell['guarantee'])}"
        kinds.setdefault(kind, []).append(cell["transport"])
    if kinds and width < _WIDE:
        each = "; ".join(f"{', '.join(dict.fromkeys(names))}: {kind}" for kind, names in kinds.items())
        yield text(f"guarantees - {each}", "dim")


def _live(document: Entry, width: int) -> Pieces:
    """What results were worth when they came, over policies and workers; each explanation once."""
    told: set[str] = set()
    for at, (title, table, notes) in enumerate(terminal_parts(document["cells"], width)):
        if not at:
            yield text("")
        yield text(title, "bold")
        yield table
        yield from (text(note, "dim") for note in notes if note not in told)
        told.update(notes)
        yield text("")


def _links(document: Entry) -> Pieces:
    lines = list(link_lines(document["cells"]))
    if lines:
        yield from _heading("What the links did, beside what was asked")
    for row, line in lines:
        yield _entry("=", f"{row}: {line}")


def _told(document: Entry) -> Pieces:
    lines = list(told_lines(document["cells"]))
    if lines:
        yield from _heading("What the stages saw in their messages, warm-up included")
    for row, line in lines:
        yield _entry("=", f"{row}: {line}")


def _heading(words: str) -> Pieces:
    yield text("")
    yield text(words, "bold")


def _entry(label: str, words: object, style: str = "") -> Table:
    """A line with a hanging indent, so that long sentences stay readable."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style), text(words))
    return grid


def _answer(document: Entry) -> Pieces:
    if document["answer"]:
        yield from _heading("In words")
        for sentence in document["answer"]:
            yield _entry("*", sentence)


def _verdicts(document: Entry) -> Pieces:
    """One line for the cells of a group that say the same."""
    found = list(verdicts(document))
    if found:
        yield from _heading("Where the time goes, and why")
    for group, words in found:
        yield _entry("*", f"{group}: {words}")


def _limits(document: Entry) -> Pieces:
    """Of the cells that the answer names."""
    found = of_run(document)
    if found:
        yield from _heading("What limits it, and what its slow messages waited for")
    for row, words in found:
        yield _entry("*", f"{row}: {words}")


def _invalid(document: Entry) -> Pieces:
    """By code and remedy, then by message, so that each is said once."""
    together: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cell in document["cells"]:
        for reason in cell["validity"]["reasons"]:
            if reason["severity"] == "invalid":
                messages = together.setdefault((reason["code"], reason["remedy"]), {})
                messages.setdefault(reason["message"], []).append(
                    f"{cell['labels']['row']} ({cell['group']})"
                )
    if together:
        yield from _heading("Not valid, and why")
    for (code, remedy), messages in together.items():
        yield _entry("!", f"{code} - remedy: {remedy}" if remedy else code, "red")
        for message, rows in messages.items():
            yield _entry(" ", f"{', '.join(rows)}: {message}")


def _notes(document: Entry) -> Pieces:
    """Notes once a code; a percentile that no table shows is left to run.json."""
    together: dict[str, list[Entry]] = {}
    for cell in document["cells"]:
        for reason in cell["validity"]["reasons"]:
            if reason["severity"] == "note" and reason["code"] != "too-few-samples":
                together.setdefault(reason["code"], []).append({**reason, "row": cell["labels"]["row"]})
    warnings = document["environment"].get("warnings", [])
    if together or warnings:
        yield from _heading("Good to know")
    for code, found in together.items():
        first, count = found[0], len(found)
        where = first["row"] if count == 1 else f"{count} cells, such as {first['row']}"
        yield _entry("-", f"{where}: {first['message']} [{code}]; {first['remedy']}")
    for warning in warnings:
        yield _entry("-", warning)


def _alerts(document: Entry) -> Pieces:
    """Their lines came when they were told; here is what they come to."""
    if document.get("alerts"):
        yield from _heading("Alerts")
        for words in alert_claims(document):
            yield _entry("*", words)


def _drift(document: Entry) -> Pieces:
    found = [
        (cell, in_words(name, each))
        for cell in document["cells"]
        for name, each in cell.get("drift", {}).items()
        if each["clear"]
    ]
    if found:
        yield from _heading("What changed while it ran")
    for cell, words in found:
        yield _entry("~", f"{cell['labels']['row']} ({cell['group']}): {words}")


def _profiles(document: Entry) -> Pieces:
    found = [cell for cell in document["cells"] if cell.get("profiles")]
    if found:
        yield from _heading("Under the profiler, in blocks of their own")
    for cell in found:
        yield _entry("%", f"{cell['labels']['row']} ({cell['group']})")
        for line in brief(cell):
            yield _entry(" ", line)


def _resumed(document: Entry) -> Pieces:
    for each in document.get("resumed", []):
        again = (
            f"the runner died and the run was taken up again at {each['resumed_utc']}, block {each['block']}"
        )
        other = "; on another machine or with other software" if each["environment_changed"] else ""
        yield _entry("-", f"{again}{other}")


def _failures(document: Entry) -> Pieces:
    skipped = {cell["id"] for cell in document["cells"] if not cell["blocks"]}
    failures = [failure for failure in document.get("failures", []) if failure["party"] not in skipped]
    if failures:
        yield from _heading("Failures outside the blocks")
        for failure in failures:
            remedy = f"; {failure['remedy']}" if failure["remedy"] else ""
            yield _entry("!", f"{failure['party']}: {failure['type']}: {failure['what']}{remedy}", "red")


def _promises(document: Entry) -> Pieces:
    open_ones = [each for each in document.get("promises", []) if each["kept"] is not True]
    if not open_ones:
        return
    rows = {cell["id"]: f"{cell['labels']['row']} ({cell['group']})" for cell in document["cells"]}
    yield from _heading("Promises not kept")
    for each in open_ones:
        told = f"{promised.asked(each)}, measured {promised.quantity(each, 'value')}: {promised.said(each)}"
        yield _entry("!", f"{rows[each['cell']]}: {told}", "red")
