"""Named values about a cell, the run and the machine: what a reader looks up, each on a clean line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.drift import in_words
from benchkit.analysis.words import times
from benchkit.records.run import Run
from benchkit.report.codecs import fidelity, on_the_wire
from benchkit.report.excerpt import excerpt, page
from benchkit.report.groups import Entry, Row
from benchkit.report.limits import gaps, limits, slow
from benchkit.report.link_words import in_words as link_in_words
from benchkit.report.profiles import full as profile
from benchkit.report.text import rate
from benchkit.units import show_bytes, show_us

_MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value, or several lines of text."""

    name: str
    value: str


def failures(found: Sequence[Entry]) -> Iterator[Fact]:
    """Failures of run.json with remedy and traceback, the first twenty."""
    for each in found[:20]:
        times_ = f" ({each['count']} times)" if each["count"] > 1 else ""
        remedy = f"\nremedy: {excerpt(each['remedy'])}" if each["remedy"] else ""
        trace = f"\n{page(each['traceback'], 4000, 200)}" if each["traceback"] else ""
        who = excerpt(f"{each['party']}: {each['type']}", 80)
        yield Fact(who + times_, excerpt(each["what"]) + remedy + trace)


def of_cell(row: Row) -> tuple[Fact, ...]:
    """What is known about a cell besides its figures."""
    entry = row.entry
    account = ", ".join(f"{many} {name.replace('_', '-')}" for name, many in entry["account"].items() if many)
    guarantee = entry["guarantee"]
    facts = {
        "id": entry["id"],
        "path": entry["path"],
        "account": account or "nothing was scheduled",
        "blocks": f"{entry['blocks']}: {entry['latency_us']['count']} counted, {entry['warmup']} of warm-up",
        "load": _load(entry["load"]),
        "payload": f"{show_bytes(entry['payload_bytes'])}, {on_the_wire(entry)} on the wire; {fidelity(entry)}",
        "guarantee": ", ".join(map(str, guarantee.values())),
        "floor": _floor(entry.get("floor")),
        "link": "; ".join((link["name"], *link_in_words(link))) if (link := entry.get("link")) else "",
        "verdict": str(entry["verdict"].get("line", "")),
        "evidence": "; ".join(map(str, entry["verdict"]["evidence"])),
        "limits": limits(entry),
        "slow messages": slow(entry),
        "not seen": "; ".join(gaps(entry)),
        "profile": profile(entry),
        "drift": "; ".join(in_words(name, each) for name, each in entry["drift"].items() if each["clear"]),
        "options": _flat(entry["parameters"]),
        "stage": _flat(entry["stage_facts"]),
    }
    return tuple(
        Fact(name, excerpt(value, 1500 if name == "profile" else 700))
        for name, value in facts.items()
        if value
    )


def _floor(floor: Entry | None) -> str:
    if floor is None or floor["ratio"] is None:
        return ""
    return (
        f"{times(floor['ratio'])} its floor: moving takes p50 {show_us(floor['moved_p50_us'])}, "
        f"{floor['name']} by hand {show_us(floor['p50_us'])}"
    )


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


def of_run(run: Run, document: Entry) -> Iterator[Fact]:
    """When, how long, how much, and what the machine can do at best."""
    yield Fact("started", excerpt(document["started_utc"], 60))
    yield Fact("took", f"{document['duration_s']:.0f} s")
    yield Fact("benchkit", str(document["benchkit"]))
    yield Fact("seed", str(document["seed"]))
    counted = sum(cell["latency_us"]["count"] for cell in document["cells"])
    valid = sum(bool(cell["validity"]["valid"]) for cell in document["cells"])
    cells = f"{len(document['cells'])}, {valid} of them valid"
    yield Fact("cells", f"{cells}; {len(run.blocks)} blocks, {counted} messages")
    for role, cores in list(document["placement"].items())[:8]:
        yield Fact(f"placement, {excerpt(role, 40)}", excerpt(cores, 120))
    if run.floor is None:
        yield Fact("floor", "not measured")
        return
    null, wake = run.floor.null_us, run.floor.wake_us
    for name, us in (("empty message and back", null), ("waking a process", wake)):
        yield Fact(f"floor: {name}", f"p50 {show_us(us.get('p50'))}, p99 {show_us(us.get('p99'))}")
    yield Fact("floor: memory copy", f"{show_bytes(run.floor.memcpy_bytes_per_s)}/s")
    for path, lengths in run.floor.paths_us.items():
        each = (f"{show_bytes(int(nbytes))} {show_us(us.get('exchange'))}" for nbytes, us in lengths.items())
        yield Fact(f"floor: {excerpt(path, 60)}, and back", excerpt(", ".join(each), 700))
    yield Fact("floor: reading the clock", f"{run.floor.clock_ns:.0f} ns")


def of_machine(document: Entry) -> Iterator[Fact]:
    """The environment of run.json, without its warnings."""
    for name, value in list(document["environment"].items())[:_MOST]:
        if name == "warnings" or value in (None, "", {}, []):
            continue
        shown = show_bytes(value) if name == "memory_bytes" and isinstance(value, int) else _flat(value)
        label = "memory" if name == "memory_bytes" else excerpt(name, 60)
        yield Fact(label, excerpt(shown.removeprefix("="), 1500))


def as_yaml(scenario: Entry) -> str:
    """The scenario as a file that can be run again, bounded."""
    import yaml

    return page(yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True, width=120))
