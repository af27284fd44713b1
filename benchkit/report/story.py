"""What a report says, in words and figures that are ready to be shown, before it is a page or a document.

Every text that came from outside is one clean line of bounded length here; escaping is left to who writes the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.words import times, times_with_interval
from benchkit.records.run import Run
from benchkit.report.charts.gallery import Chart, gallery
from benchkit.report.excerpt import excerpt, page
from benchkit.report.groups import Entry, Group, Row, groups
from benchkit.report.text import cpu_us, rate
from benchkit.units import show_bytes, show_us

MOST_GROUPS: Final = 12
"""Groups that get charts; the tables show all of them."""
COLUMNS: Final = (
    "cell", "p50", "p90", "p99", "p99.9", "rate", "CPU/message", "to the best", "bottleneck", "guarantee",
)  # fmt: skip
_MOST_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the answer, and the number of the group that it is about."""

    text: str
    group: int | None


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
class Fact:
    """A named value, or several lines of text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Promised:
    """What one cell made of the scenario's promises: by name the measured value and whether it is kept."""

    number: int
    label: str
    group: str
    values: tuple[str, ...]
    open: tuple[str, ...]
    """The promises that are broken or cannot be decided, in words."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything else that is known about a cell."""

    number: int
    label: str
    valid: bool
    facts: tuple[Fact, ...]
    failures: tuple[Fact, ...]


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


def story(run: Run, document: Entry) -> Story:
    """The report on `run`, whose run.json is `document`."""
    found = groups(run, document)
    rows = [row for group in found for row in group.rows]
    scenario = document["scenario"]
    return Story(
        name=excerpt(scenario.get("name") or "run", 120),
        description=excerpt(scenario.get("description") or "", 600),
        banners=tuple(_banners(document)),
        answer=tuple(_claims(document["answer"], found)),
        sections=tuple(_section(group, run.slo) for group in found),
        invalid=tuple(_whys(rows, "invalid")),
        notes=tuple(_whys(rows, "note")),
        promises=tuple(f"{excerpt(name, 20)} ≤ {_quantity(name, limit)}" for name, limit in run.slo.items()),
        promised=tuple(_promised(document, rows)),
        failures=tuple(_failures(document.get("failures", ()))),
        run=tuple(_run_facts(run, document)),
        environment=tuple(_environment(document)),
        warnings=tuple(excerpt(each) for each in document["environment"].get("warnings", ())[:_MOST_LINES]),
        scenario=_yaml(scenario),
    )


def _banners(document: Entry) -> Iterator[str]:
    if document["interrupted"]:
        yield "The run was interrupted: what follows is what was measured until then."
    if document["quick"]:
        yield "A quick run: short blocks, wide intervals. Measure without --quick before you decide."
    if not document["cells"]:
        yield "The run holds no cell: there is nothing to compare."
    elif not any(cell["validity"]["valid"] for cell in document["cells"]):
        yield "No cell is valid: nothing below may be used to decide; each reason has its remedy."


def _claims(sentences: Sequence[str], found: Sequence[Group]) -> Iterator[Claim]:
    titles = {group.number: str(group.rows[0].entry["labels"]["group"]) for group in found}
    for sentence in sentences[:_MOST_LINES]:
        about = [number for number, title in titles.items() if sentence.startswith(f"{title}: ")]
        yield Claim(excerpt(sentence, 1500), about[0] if about else None)


def _section(group: Group, slo: dict[str, float]) -> Section:
    drawn = group.number <= MOST_GROUPS
    charts = tuple((f"g{group.number}-{chart.kind}", chart) for chart in gallery(group, slo)) if drawn else ()
    missing = (
        ""
        if charts
        else "nothing was measured"
        if drawn
        else f"only the first {MOST_GROUPS} groups have charts"
    )
    return Section(
        number=group.number,
        title=group.title,
        lines=tuple(_line(row) for row in group.rows),
        charts=charts,
        details=tuple(_detail(row) for row in group.rows),
        missing=f"No charts: {missing}." if missing else "",
    )


def _line(row: Row) -> Line:
    entry, latency = row.entry, row.entry["latency_us"]
    verdict, guarantee = entry["verdict"], entry["guarantee"]
    resource = f" ({verdict['resource']})" if verdict["resource"] != "none" else ""
    figures = (
        _with_interval(latency["p50"], latency["p50_ci95"]),
        show_us(latency["p90"]),
        _with_interval(latency["p99"], latency["p99_ci95"]),
        show_us(latency["p999"]),
        rate(entry["throughput"]["messages_per_s"]) if latency["count"] else "-",
        show_us(cpu_us(entry["cost"])),
        _against_best(row.place),
        f"{verdict['bottleneck']}{resource}" if row.valid else "-",
        excerpt(f"{guarantee['delivery']}, {guarantee['durability']}", 60),
    )
    best = row.place is not None and row.place["ratio_ci95"] == [1.0, 1.0]
    return Line(row.number, row.label, row.valid, best, figures, row.codes)


def _with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    return show_us(value) if interval is None else f"{show_us(value)}\n[{', '.join(map(show_us, interval))}]"


def _against_best(place: Entry | None) -> str:
    if place is None:
        return "-"
    if place["ratio_ci95"] is None:
        return f"{times(place['ratio_to_best'])} (no interval)"
    if place["ratio_ci95"] == [1.0, 1.0]:
        return "lowest"
    tie = "tie, " if place["tied_with_best"] else ""
    return tie + times_with_interval(place["ratio_to_best"], place["ratio_ci95"]).replace(" [", "\n[", 1)


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


def _promised(document: Entry, rows: Sequence[Row]) -> Iterator[Promised]:
    words = {True: "kept", False: "broken", None: "not decidable with this sample"}
    for row in rows[: 2 * _MOST_LINES]:
        own = [each for each in document["promises"] if each["cell"] == row.entry["id"]]
        told = [(each, f"{_quantity(each['name'], each['value'])}, {words[each['kept']]}") for each in own]
        if told:
            open_ = tuple(
                f"{excerpt(each['name'], 20)} {said}" for each, said in told if each["kept"] is not True
            )
            group = excerpt(row.entry["group"], 60)
            yield Promised(row.number, row.label, group, tuple(said for _, said in told), open_)


def _quantity(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}" if name == "loss" else show_us(value * 1e6)


def _failures(failures: Sequence[Entry]) -> Iterator[Fact]:
    for each in failures[:20]:
        times_ = f" ({each['count']} times)" if each["count"] > 1 else ""
        remedy = f"\nremedy: {excerpt(each['remedy'])}" if each["remedy"] else ""
        trace = f"\n{page(each['traceback'], 4000, 200)}" if each["traceback"] else ""
        yield Fact(
            excerpt(f"{each['party']}: {each['type']}", 80) + times_, excerpt(each["what"]) + remedy + trace
        )


def _detail(row: Row) -> Detail:
    entry = row.entry
    account = ", ".join(
        f"{count} {name.replace('_', '-')}" for name, count in entry["account"].items() if count
    )
    guarantee = entry["guarantee"]
    facts = {
        "id": entry["id"],
        "path": entry["path"],
        "account": account or "nothing was scheduled",
        "blocks": f"{entry['blocks']}, {entry['latency_us']['count']} messages counted, {entry['warmup']} of warm-up",
        "load": _load(entry["load"]),
        "payload": f"{show_bytes(entry['payload_bytes'])}, {show_bytes(entry['wire_bytes'])} on the wire",
        "guarantee": f"{guarantee['delivery']}, held in {guarantee['durability']}, order {guarantee['ordering']}",
        "evidence": "; ".join(map(str, entry["verdict"]["evidence"])),
        "options": _flat(entry["parameters"]),
        "stage": _flat(entry["stage_facts"]),
        "samples": entry["samples"] or "none",
    }
    kept = tuple(Fact(name, excerpt(value, 700)) for name, value in facts.items() if value)
    return Detail(row.number, row.label, row.valid, kept, tuple(_failures(entry["failures"])))


def _load(load: Entry) -> str:
    late = load["lateness_us"]
    reached = "unknown" if load["achieved_per_s"] is None else rate(load["achieved_per_s"])
    asked = "closed loop" if load["offered_per_s"] is None else f"{rate(load['offered_per_s'])} asked"
    share = f"{load['late_share']:.1%} left late"
    return f"{load['arrival']}, {asked}, {reached} reached, lateness p99 {show_us(late['p99'])}, {share}"


def _flat(nested: Any) -> str:
    """Nested options as `transport.depth=8, ...`."""

    def pairs(prefix: str, value: Any) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, each in value.items():
                yield from pairs(f"{prefix}.{key}" if prefix else str(key), each)
        else:
            yield f"{prefix}={value}"

    return ", ".join(pairs("", nested))


def _run_facts(run: Run, document: Entry) -> Iterator[Fact]:
    yield Fact("started", excerpt(document["started_utc"], 60))
    yield Fact("took", f"{document['duration_s']:.0f} s")
    yield Fact("benchkit", str(document["benchkit"]))
    yield Fact("seed", str(document["seed"]))
    counted = sum(cell["latency_us"]["count"] for cell in document["cells"])
    valid = sum(bool(cell["validity"]["valid"]) for cell in document["cells"])
    yield Fact(
        "cells",
        f"{len(document['cells'])}, {valid} of them valid; {len(run.blocks)} blocks, {counted} messages",
    )
    for role, cores in list(document["placement"].items())[:8]:
        yield Fact(f"placement, {excerpt(role, 40)}", excerpt(cores, 120))
    if run.floor is None:
        yield Fact("floor", "not measured")
        return
    null, wake = run.floor.null_us, run.floor.wake_us
    yield Fact(
        "floor: empty message and back", f"p50 {show_us(null.get('p50'))}, p99 {show_us(null.get('p99'))}"
    )
    yield Fact("floor: waking a process", f"p50 {show_us(wake.get('p50'))}, p99 {show_us(wake.get('p99'))}")
    yield Fact("floor: memory copy", f"{show_bytes(run.floor.memcpy_bytes_per_s)}/s")
    yield Fact("floor: reading the clock", f"{run.floor.clock_ns:.0f} ns")


def _environment(document: Entry) -> Iterator[Fact]:
    for name, value in list(document["environment"].items())[:_MOST_LINES]:
        if name == "warnings" or value in (None, "", {}, []):
            continue
        shown = show_bytes(value) if name == "memory_bytes" and isinstance(value, int) else _flat(value)
        label = "memory" if name == "memory_bytes" else excerpt(name, 60)
        yield Fact(label, excerpt(shown.removeprefix("="), 1500))


def _yaml(scenario: Entry) -> str:
    import yaml

    return page(yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True, width=120))
