"""What a report says, in words and figures that are ready to be shown, before it is a page or a document.

Every text that came from outside is one clean line of bounded length here; escaping is left to the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from benchkit.analysis.budgets import read
from benchkit.analysis.guarantees import durability
from benchkit.analysis.live_sets import policies_compared
from benchkit.analysis.words import times, times_with_interval
from benchkit.records.run import Run
from benchkit.report import freshness, promised
from benchkit.report.alerts import Alerts, alerts
from benchkit.report.charts.gallery import Chart, fault_charts, gallery, overview
from benchkit.report.decision import Record, record
from benchkit.report.evidence import Evidence, evidence
from benchkit.report.excerpt import excerpt
from benchkit.report.facts import Fact, as_yaml, failures, of_cell, of_machine, of_run
from benchkit.report.faults import Faults, faults
from benchkit.report.grid import Grid, grid
from benchkit.report.groups import Entry, Group, Row, groups
from benchkit.report.lead import Claim, cells_named, crossings, lead
from benchkit.report.text import cpu_us, rate
from benchkit.units import show_us
from benchkit.words import named, retold, say

MOST_GROUPS: Final = 12
"""Groups that get charts; the tables show all of them."""
COLUMNS: Final = (
    "cell", "p50", "p90", "p99", "p99.9", "rate", "CPU/message", "to the best", "bottleneck", "guarantee",
)  # fmt: skip
_MOST_LINES: Final = 60
_APART: Final = ("freshness", "faults", "outages")
"""Charts of the whole run that stand in a section of their own."""


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, the cells that it is about, and what to do."""

    code: str
    message: str
    remedy: str
    cells: tuple[tuple[int, str], ...]
    """Numbers and labels."""
    more: int
    """How many further cells have the same reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """One cell as a row of a table."""

    number: int
    label: str
    valid: bool
    best: bool
    figures: tuple[str, ...]
    """For COLUMNS, without the label; an interval stands on a line of its own."""
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promised:
    """What one cell made of the scenario's promises: by name the measured value and whether it is kept."""

    number: int
    label: str
    group: str
    values: tuple[str, ...]
    open: tuple[str, ...]
    """The promises that are broken or cannot be decided, in words."""
    kept: tuple[bool | None, ...]
    """By promise, as `values`; None where it cannot be decided."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything else that is known about a cell."""

    number: int
    label: str
    valid: bool
    facts: tuple[Fact, ...]
    failures: tuple[Fact, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Section:
    """One group: its table, its charts by name, its cells."""

    number: int
    title: str
    lines: tuple[Line, ...]
    charts: tuple[tuple[str, Chart], ...]
    details: tuple[Detail, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class Story:
    """A whole report."""

    name: str
    description: str
    banners: tuple[str, ...]
    answer: tuple[Claim, ...]
    sections: tuple[Section, ...]
    invalid: tuple[Why, ...]
    notes: tuple[Why, ...]
    promises: tuple[str, ...]
    """The scenario's promises, such as `p99 ≤ 50 ms`."""
    promised: tuple[Promised, ...]
    failures: tuple[Fact, ...]
    run: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    warnings: tuple[str, ...]
    scenario: str
    lead: tuple[Claim, ...]
    """Three sentences at most: the answer for somebody who reads no further."""
    grid: Grid
    overview: tuple[tuple[str, Chart], ...]
    """Charts of the whole run by name: which transport wins where, latency against throughput."""
    record: Record
    """What report.md says as a decision record beyond all that."""
    fresh: tuple[freshness.Part, ...]
    """Freshness and goodput, bulk work: where there is something to tell."""
    faults: Faults | None
    """What fault trials came to; None where no fault was done."""
    alerts: Alerts | None
    """What rules told while it was measured; None where none were set."""

    @property
    def over_all(self) -> tuple[tuple[str, Chart], ...]:
        """Charts of the whole run, without those that have a section of their own."""
        return tuple((name, chart) for name, chart in self.overview if chart.kind not in _APART)

    @property
    def files(self) -> list[str]:
        """Paths of all records, relative to the run directory."""
        return [file for each in self.sections for detail in each.details for file in detail.evidence.files]


def story(run: Run, document: Entry) -> Story:
    """The report on `run`, whose run.json is `document`."""
    found = groups(run, document)
    rows = [row for group in found for row in group.rows]
    scenario = document["scenario"]
    return Story(
        name=excerpt(scenario.get("name") or "run", 120),
        description=excerpt(scenario.get("description") or "", 600),
        banners=tuple(_banners(document)),
        answer=tuple(_claims(document, found)),
        sections=tuple(_section(group, run.slo) for group in found),
        invalid=tuple(_whys(rows, "invalid")),
        notes=tuple(_whys(rows, "note")),
        promises=tuple(_promises(run)),
        promised=tuple(_promised(document, rows)),
        failures=tuple(failures(document.get("failures", ()))),
        run=tuple(of_run(run, document)),
        environment=tuple(of_machine(document)),
        warnings=tuple(
            excerpt(retold(str(each))) for each in document["environment"].get("warnings", ())[:_MOST_LINES]
        ),
        scenario=as_yaml(scenario),
        lead=lead(document, found),
        grid=grid(found),
        overview=tuple(
            (f"all-{at}-{chart.kind}", chart)
            for at, chart in enumerate((*overview(found, document), *fault_charts(document, run.faults)), 1)
        ),
        record=record(document, found),
        fresh=tuple(freshness.parts(document["cells"])),
        faults=faults(document),
        alerts=alerts(document),
    )


def _banners(document: Entry) -> Iterator[str]:
    if document["interrupted"]:
        yield say("The run was interrupted: what follows is what was measured until then.")
    if document["quick"]:
        yield say("A quick run: short blocks, wide intervals. Measure without --quick before you decide.")
    if not document["cells"]:
        yield say("The run holds no cell: there is nothing to compare.")
    elif not any(cell["validity"]["valid"] for cell in document["cells"]):
        yield say("No cell is valid: nothing below may be used to decide; each reason has its remedy.")


def _claims(document: Entry, found: Sequence[Group]) -> Iterator[Claim]:
    titles = {group.number: str(group.rows[0].entry["labels"]["group"]) for group in found}
    anchors = dict.fromkeys(crossings(document), "overview")
    anchors |= {str(each["sentence"]): "overview" for each in document.get("scaling") or ()}
    anchors |= dict.fromkeys(policies_compared(document["cells"]), "freshness")
    for sentence in document["answer"][:_MOST_LINES]:
        about = [number for number, title in titles.items() if sentence.startswith(f"{title}: ")]
        rows = [row for group in found if group.number in about for row in group.rows]
        anchor = anchors.get(sentence, "")
        group = about[0] if about else None
        yield Claim(excerpt(sentence, 1500), group, cells_named(sentence, rows), anchor)


def _section(group: Group, slo: dict[str, float]) -> Section:
    drawn = group.number <= MOST_GROUPS
    charts = tuple((f"g{group.number}-{chart.kind}", chart) for chart in gallery(group, slo)) if drawn else ()
    why_none = (
        say("nothing was measured")
        if drawn
        else say("only the first {most} groups have charts", most=MOST_GROUPS)
    )
    return Section(
        number=group.number,
        title=group.title,
        lines=tuple(_line(row) for row in group.rows),
        charts=charts,
        details=tuple(
            Detail(
                number=row.number,
                label=row.label,
                valid=row.valid,
                facts=of_cell(row),
                failures=tuple(failures(row.entry["failures"])),
                evidence=evidence(row),
            )
            for row in group.rows
        ),
        missing="" if charts else say("No charts: {why_none}.", why_none=why_none),
    )


def _line(row: Row) -> Line:
    entry, latency = row.entry, row.entry["latency_us"]
    verdict, guarantee = entry["verdict"], entry["guarantee"]
    resource = f" ({named(verdict['resource'])})" if verdict["resource"] != "none" else ""
    figures = (
        _with_interval(latency["p50"], latency["p50_ci95"]),
        show_us(latency["p90"]),
        _with_interval(latency["p99"], latency["p99_ci95"]),
        show_us(latency["p999"]),
        rate(entry["throughput"]["messages_per_s"]) if latency["count"] else "-",
        show_us(cpu_us(entry["cost"])),
        _against_best(row.place),
        f"{named(verdict['bottleneck'])}{resource}" if row.valid else "-",
        excerpt(f"{guarantee['delivery']}, {durability(guarantee)}", 90),
    )
    best = row.place is not None and row.place["ratio_ci95"] == [1.0, 1.0]
    return Line(row.number, row.label, row.valid, best, figures, row.codes)


def _with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    return show_us(value) if interval is None else f"{show_us(value)}\n[{', '.join(map(show_us, interval))}]"


def _against_best(place: Entry | None) -> str:
    if place is None:
        return "-"
    if place["ratio_ci95"] is None:
        return say("{ratio_to_best} (no interval)", ratio_to_best=times(place["ratio_to_best"]))
    if place["ratio_ci95"] == [1.0, 1.0]:
        return say("lowest")
    ratio = times_with_interval(place["ratio_to_best"], place["ratio_ci95"]).replace(" [", "\n[", 1)
    return say("tie, {ratio}", ratio=ratio) if place["tied_with_best"] else ratio


def _whys(rows: Iterable[Row], severity: str) -> Iterator[Why]:
    """Reasons alike are told once: the invalid ones by message, the notes by code."""
    together: dict[tuple[str, ...], list[tuple[Entry, Row]]] = {}
    for row in sorted(rows, key=lambda row: row.number):
        for reason in row.entry["validity"]["reasons"]:
            if reason["severity"] == severity:
                key = (reason["code"], reason["message"]) if severity == "invalid" else (reason["code"],)
                together.setdefault(key, []).append((reason, row))
    for found in list(together.values())[:_MOST_LINES]:
        reason = found[0][0]
        cells = dict.fromkeys((row.number, row.label) for _, row in found)
        yield Why(
            excerpt(reason["code"], 60), excerpt(reason["message"]), excerpt(reason["remedy"]),
            tuple(cells)[:8], max(0, len(cells) - 8),
        )  # fmt: skip


def _promises(run: Run) -> Iterator[str]:
    """The promises of the scenario, in the order in which each cell answers them."""
    for name, limit in run.slo.items():
        yield promised.asked({"name": excerpt(name, 20), "limit": limit}, "≤")
    for text in run.budgets:
        asked = read(text)
        yield promised.asked({**asdict(asked), "name": asked.name}, "≤")


def _promised(document: Entry, rows: Sequence[Row]) -> Iterator[Promised]:
    for row in rows[: 2 * _MOST_LINES]:
        own = [each for each in document["promises"] if each["cell"] == row.entry["id"]]
        told = [(each, f"{promised.quantity(each, 'value')}, {promised.said(each)}") for each in own]
        if told:
            open_ = (f"{excerpt(each['name'], 20)} {said}" for each, said in told if each["kept"] is not True)
            group = excerpt(row.entry["group"], 60)
            values = tuple(said for _, said in told)
            yield Promised(
                row.number, row.label, group, values, tuple(open_), tuple(each["kept"] for each in own)
            )
