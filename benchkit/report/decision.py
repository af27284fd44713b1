"""What a decision record needs beyond the answer: what is decided, what each option costs, what would change it.

Nothing is decided here that the ranking does not bear: a tie, too few rounds or a single valid option is no decision,
and the record says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.goodput_words import delivered_more, falls_short, ranks_first
from benchkit.analysis.search_words import is_search, rate_with_interval
from benchkit.analysis.words import times, times_with_interval, us_with_interval
from benchkit.report.codecs import on_the_wire
from benchkit.report.excerpt import excerpt
from benchkit.report.groups import Entry, Group, Row
from benchkit.report.lead import crossings
from benchkit.report.limits import limits
from benchkit.report.text import cpu_us, rate
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

COST_COLUMNS: Final = ("option", "CPU/message", "peak memory", "on the wire", "guarantee", "what limits it")
_MOST_CHANGES: Final = 3
_WORTH: Final = 0.02
"""A change of capacity below this share is not worth a line."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence says about one group."""

    title: str
    settled: bool
    """One option is fastest by the whole interval."""
    text: str


@dataclass(frozen=True, slots=True)
class Costs:
    """What the options of a group cost: for COST_COLUMNS, one row each."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """The parts of a decision record."""

    date: str
    settled: bool
    """Every group has its decision."""
    decisions: tuple[Decision, ...]
    costs: tuple[Costs, ...]
    changes: tuple[str, ...]
    """Sentences: what would change the result."""


def record(document: Entry, found: Sequence[Group]) -> Record:
    """Of run.json and its groups."""
    decisions = tuple(Decision(group.title, *_decided(group)) for group in found)
    return Record(
        date=excerpt(str(document["started_utc"])[:10], 40),
        settled=bool(decisions) and all(each.settled for each in decisions),
        decisions=decisions,
        costs=tuple(
            Costs(group.title, tuple(_cost(row) for row in group.rows if row.count)) for group in found
        ),
        changes=(*(excerpt(said, 1500) for said in crossings(document)), *_changes(found)),
    )


def _decided(group: Group) -> tuple[bool, str]:
    placed = [(row, row.place) for row in group.rows if row.place]
    if not placed:
        return False, say("No decision: no option is valid.")
    best = placed[0][0]
    if len(placed) == 1:
        return False, say("No decision: {cell} is the only valid option.", cell=best.label)
    tied = [row.label for row, place in placed[1:] if place["tied_with_best"]]
    unsure = [row.label for row, place in placed[1:] if place["ratio_ci95"] is None]
    if unsure:
        cells = ", ".join([best.label, *unsure])
        return False, say("No decision: too few rounds to tell {cells} apart.", cells=cells)
    if tied:
        cells = ", ".join([best.label, *tied])
        return False, say(
            "No decision by speed: {cells} tie. Choose among them by cost and guarantee.", cells=cells
        )
    next_, place = placed[1]
    ratio = times_with_interval(place["ratio_to_best"], place["ratio_ci95"])
    if is_search(best.entry):
        found = best.entry.get("capacity") or best.entry["backlog"]
        return True, say(
            "{cell} holds the highest rate, {rate}; that is {ratio} the rate of the next, {next}.",
            cell=best.label, rate=rate_with_interval(found), ratio=ratio, next=next_.label,
        )  # fmt: skip
    latency = best.entry["latency_us"]
    p50 = us_with_interval(latency["p50"], latency["p50_ci95"])
    if falls_short(best.entry):
        first = ranks_first(best.entry, best.label, p50)
        more = delivered_more(best.entry, [(row.label, row.entry) for row, _ in placed[1:]])
        return False, say("No decision by latency: {first}{more}.", first=first, more=more)
    return True, say(
        "{cell} is fastest, p50 {p50}; the next, {next}, takes {ratio} as long.",
        cell=best.label, p50=p50, next=next_.label, ratio=ratio,
    )  # fmt: skip


def _cost(row: Row) -> tuple[str, ...]:
    entry = row.entry
    memory = sum((entry["cost"].get("peak_rss_bytes") or {}).values())
    guarantee = ", ".join(map(str, entry["guarantee"].values()))
    return (
        row.name,
        show_us(cpu_us(entry["cost"])),
        show_bytes(memory) if memory else "-",
        on_the_wire(entry),
        excerpt(guarantee, 80),
        excerpt(limits(entry) or (named(str(entry["verdict"].get("kind") or "")) if row.valid else ""), 300)
        or "-",
    )


def _changes(found: Sequence[Group]) -> Iterator[str]:
    """The predictions that buy most, of the first cell of each group that has any."""
    for group in found:
        row = next((row for row in group.rows if _mapping(row.entry.get("what_if")).get("predictions")), None)
        if row is not None:
            yield from _bought(group.title, row)


def _bought(title: str, row: Row) -> Iterator[str]:
    what_if = _mapping(row.entry["what_if"])
    tried = {
        each["change"]: measured
        for each in what_if.get("confirmed") or ()
        if (measured := _mapping(each.get("capacity_per_s")))
    }
    worth = sorted(
        (-ratio, at, each)
        for at, each in enumerate(what_if["predictions"])
        if (ratio := _ratio(_mapping(each.get("capacity_per_s")))) >= 1 + _WORTH
    )
    for gain, _, each in worth[:_MOST_CHANGES]:
        capacity = each["capacity_per_s"]
        said = say(
            "{title}: {cell} with {change}: capacity {now} to {predicted} predicted ({times})",
            title=title, cell=row.label, change=excerpt(each["words"], 120), now=rate(capacity["now"]),
            predicted=rate(capacity["predicted"]), times=times(-gain),
        )  # fmt: skip
        confirmed = tried.get(each["change"])
        if confirmed and confirmed.get("measured") is not None:
            yield say("{said}, {measured} measured.", said=said, measured=rate(confirmed["measured"]))
        else:
            yield say("{said}, not tried.", said=said)


def _ratio(capacity: Mapping[str, Any]) -> float:
    now, predicted = capacity.get("now"), capacity.get("predicted")
    return predicted / now if now and predicted else 0.0


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
