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
from benchkit.report.told_words import in_words as told_in_words
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

_MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value, or several lines of text."""

    name: str
    value: str


def failures(found: Sequence[Entry]) -> Iterator[Fact]:
    """Failures of run.json with remedy and traceback, the first twenty."""
    for each in found[:20]:
        times_ = say(" ({count} times)", count=each["count"]) if each["count"] > 1 else ""
        remedy = say("\nremedy: {remedy}", remedy=excerpt(each["remedy"])) if each["remedy"] else ""
        trace = f"\n{page(each['traceback'], 4000, 200)}" if each["traceback"] else ""
        who = excerpt(f"{each['party']}: {each['type']}", 80)
        yield Fact(who + times_, excerpt(each["what"]) + remedy + trace)


def of_cell(row: Row) -> tuple[Fact, ...]:
    """What is known about a cell besides its figures."""
    entry = row.entry
    account = ", ".join(
        f"{many} {named(name.replace('_', '-'))}" for name, many in entry["account"].items() if many
    )
    guarantee = entry["guarantee"]
    facts = {
        "id": entry["id"],
        "path": entry["path"],
        "account": account or say("nothing was scheduled"),
        "blocks": say(
            "{blocks}: {count} counted, {warmup} of warm-up",
            blocks=entry["blocks"],
            count=entry["latency_us"]["count"],
            warmup=entry["warmup"],
        ),
        "load": _load(entry["load"]),
        "payload": say(
            "{payload_bytes}, {on_the_wire} on the wire; {fidelity}",
            payload_bytes=show_bytes(entry["payload_bytes"]),
            on_the_wire=on_the_wire(entry),
            fidelity=fidelity(entry),
        ),
        "guarantee": ", ".join(map(str, guarantee.values())),
        "floor": _floor(entry.get("floor")),
        "link": "; ".join((link["name"], *link_in_words(link))) if (link := entry.get("link")) else "",
        "stages saw": "; ".join(told_in_words(entry.get("told", {}))),
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
        Fact(named(name), excerpt(value, 1500 if name == "profile" else 700))
        for name, value in facts.items()
        if value
    )


def _floor(floor: Entry | None) -> str:
    if floor is None or floor["ratio"] is None:
        return ""
    return say(
        "{ratio} its floor: moving takes p50 {moved_p50_us}, {name} by hand {p50_us}",
        ratio=times(floor["ratio"]),
        moved_p50_us=show_us(floor["moved_p50_us"]),
        name=floor["name"],
        p50_us=show_us(floor["p50_us"]),
    )


def _load(load: Entry) -> str:
    late = load["lateness_us"]
    reached = say("unknown") if load["achieved_per_s"] is None else rate(load["achieved_per_s"])
    asked = (
        say("closed loop")
        if load["offered_per_s"] is None
        else say("{offered_per_s} asked", offered_per_s=rate(load["offered_per_s"]))
    )
    share = say("{late_share:.1%} left late", late_share=load["late_share"])
    return say(
        "{arrival}, {asked}, {reached} reached, lateness p99 {p99}, {share}",
        arrival=named(load["arrival"]),
        asked=asked,
        reached=reached,
        p99=show_us(late["p99"]),
        share=share,
    )


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
    yield Fact(named("started"), excerpt(document["started_utc"], 60))
    yield Fact(named("took"), f"{document['duration_s']:.0f} s")
    yield Fact("benchkit", str(document["benchkit"]))
    yield Fact(named("seed"), str(document["seed"]))
    counted = sum(cell["latency_us"]["count"] for cell in document["cells"])
    valid = sum(bool(cell["validity"]["valid"]) for cell in document["cells"])
    yield Fact(
        named("cells"),
        say(
            "{cells}, {valid} of them valid; {blocks} blocks, {counted} messages",
            cells=len(document["cells"]),
            valid=valid,
            blocks=len(run.blocks),
            counted=counted,
        ),
    )
    for role, cores in list(document["placement"].items())[:8]:
        yield Fact(say("placement, {role}", role=named(excerpt(role, 40))), excerpt(cores, 120))
    if run.floor is None:
        yield Fact(named("floor"), say("not measured"))
        return
    null, wake = run.floor.null_us, run.floor.wake_us
    for name, us in ((say("empty message and back"), null), (say("waking a process"), wake)):
        yield Fact(
            say("floor: {name}", name=name), f"p50 {show_us(us.get('p50'))}, p99 {show_us(us.get('p99'))}"
        )
    yield Fact(say("floor: memory copy"), f"{show_bytes(run.floor.memcpy_bytes_per_s)}/s")
    for path, lengths in run.floor.paths_us.items():
        each = (f"{show_bytes(int(nbytes))} {show_us(us.get('exchange'))}" for nbytes, us in lengths.items())
        yield Fact(say("floor: {path}, and back", path=excerpt(path, 60)), excerpt(", ".join(each), 700))
    yield Fact(say("floor: reading the clock"), f"{run.floor.clock_ns:.0f} ns")


def of_machine(document: Entry) -> Iterator[Fact]:
    """The environment of run.json, without its warnings."""
    for name, value in list(document["environment"].items())[:_MOST]:
        if name == "warnings" or value in (None, "", {}, []):
            continue
        shown = show_bytes(value) if name == "memory_bytes" and isinstance(value, int) else _flat(value)
        label = named("memory") if name == "memory_bytes" else named(excerpt(name, 60))
        yield Fact(label, excerpt(shown.removeprefix("="), 1500))


def as_yaml(scenario: Entry) -> str:
    """The scenario as a file that can be run again, bounded."""
    import yaml

    return page(yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True, width=120))
