"""Crossover maps in words: who wins from which payload (or rate) on, what ties, between which two it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from benchkit.analysis.words import listed
from benchkit.units import show_bytes
from benchkit.words import say, word

if TYPE_CHECKING:
    from benchkit.analysis.crossover import Outcome


@dataclass(frozen=True, slots=True)
class _Along:
    """Templates."""

    throughout: str
    highest: str


_PAYLOAD: Final = _Along(
    word("{who} at every payload measured, {first} to {last}"), word("{who} at {at}, the largest measured")
)
_RATE: Final = _Along(
    word("{who} at every rate measured, {first} to {last}"), word("{who} at {at}, the highest measured")
)
_HIGHEST: Final = word("{name} holds the highest rate")
_FASTEST: Final = word("{name} is fastest")


@dataclass(frozen=True, slots=True)
class _Way:
    """How one speaks along one axis of the map."""

    words: _Along
    show: Callable[[Outcome], str]


def sentences(
    title: str,
    outcomes: Sequence[Outcome],
    *,
    by: str,
    rates_per_s: Sequence[float | None],
    payloads_bytes: Sequence[int],
    brokerless: AbstractSet[str],
) -> Iterator[str]:
    """A sentence for each rate with two decided payloads, rates alike together; for each payload where it is one."""
    wins = _HIGHEST if by == "rate" else _FASTEST
    lines: dict[str, list[str]] = {}
    for fixed, line, way in _lines(outcomes, rates_per_s, payloads_bytes):
        if sum(each.decided for each in line) > 1:
            lines.setdefault(_told(line, way, wins, brokerless), []).append(fixed)
    for said, fixed_at in lines.items():
        at = ", ".join(filter(None, [title, listed(fixed_at)]))
        yield say("Crossover ({at}): {said}.", at=at, said=said)


def _lines(
    outcomes: Sequence[Outcome], rates_per_s: Sequence[float | None], payloads_bytes: Sequence[int]
) -> Iterator[tuple[str, list[Outcome], _Way]]:
    if len(payloads_bytes) > 1:
        way = _Way(_PAYLOAD, lambda each: show_bytes(each.payload_bytes))
        for rate in rates_per_s:
            fixed = "" if rate is None else say("at {rate}", rate=show_rate(rate))
            yield fixed, [each for each in outcomes if each.rate_per_s == rate], way
    way = _Way(_RATE, lambda each: show_rate(each.rate_per_s or 0.0))
    for size in payloads_bytes:
        own = [each for each in outcomes if each.payload_bytes == size and each.rate_per_s is not None]
        if len(payloads_bytes) == 1 or not _beside(outcomes, own):
            yield say("at {size}", size=show_bytes(size)), own, way


def _beside(outcomes: Sequence[Outcome], own: Sequence[Outcome]) -> bool:
    """A sentence along payloads already tells of one of these fields."""
    return any(
        other.decided and other.rate_per_s == each.rate_per_s and other.payload_bytes != each.payload_bytes
        for each in own
        if each.decided
        for other in outcomes
    )


def _told(line: Sequence[Outcome], way: _Way, wins: str, brokerless: AbstractSet[str]) -> str:
    runs = _runs([each for each in line if each.decided])
    if len(runs) == 1:
        who, ends = _who(runs[0], wins, brokerless), (way.show(runs[0][0]), way.show(runs[0][-1]))
        said = say(way.words.throughout, who=who, first=ends[0], last=ends[1])
    else:
        top = runs[-1]
        who, first, last = _who(top, wins, brokerless), way.show(top[0]), way.show(top[-1])
        parts = [
            say("{who} from {first} up, measured to {last}", who=who, first=first, last=last)
            if len(top) > 1
            else say(way.words.highest, who=who, at=last)
        ]
        parts += [_ranged(_who(run, wins, brokerless), run, way) for run in reversed(runs[:-1])]
        said = "; ".join([*parts, *_changes(runs, way)])
    return said + _caveats(line, way)


def _runs(decided: Sequence[Outcome]) -> list[list[Outcome]]:
    """Neighbours with the same winners together."""
    runs: list[list[Outcome]] = []
    for each in decided:
        if runs and relation(runs[-1][-1], each) == "same":
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _changes(runs: Sequence[Sequence[Outcome]], way: _Way) -> Iterator[str]:
    found: dict[str, list[str]] = {"changed": [], "unknown": []}
    for one, other in pairwise(runs):
        where = say("between {one} and {other}", one=way.show(one[-1]), other=way.show(other[0]))
        found[relation(one[-1], other[0])].insert(0, where)
    if found["changed"]:
        yield say("it changes {listed}", listed=listed(found["changed"]))
    if found["unknown"]:
        yield say(
            "{listed} not the same cells are valid, so whether it changes cannot be told",
            listed=listed(found["unknown"]),
        )


def relation(one: Outcome, other: Outcome) -> Literal["same", "changed", "unknown"]:
    """Whether two decided fields have the same winners, as far as cells that are valid in both tell."""
    common = set(one.compared) & set(other.compared)
    if one.winners[0] not in common or other.winners[0] not in common:
        return "unknown"
    return "same" if set(one.winners) & common == set(other.winners) & common else "changed"


def _ranged(who: str, run: Sequence[Outcome], way: _Way) -> str:
    first, last = way.show(run[0]), way.show(run[-1])
    if len(run) == 1:
        return say("{who} at {at}", who=who, at=first)
    return say("{who} from {first} to {last}", who=who, first=first, last=last)


def _who(run: Sequence[Outcome], wins: str, brokerless: AbstractSet[str]) -> str:
    names = sorted({name for each in run for name in each.winners})
    compared = {name for each in run for name in each.compared}
    count = len(names)
    if count == 1:
        return say(wins, name=names[0])
    if set(names) == compared:
        return say("both tie") if count == 2 else say("all {count} tie", count=count)
    if set(names) == brokerless & compared:
        return (
            say("both brokerless ones tie")
            if count == 2
            else say("all {count} brokerless ones tie", count=count)
        )
    return say("{names} tie", names=listed(names))


def _caveats(line: Sequence[Outcome], way: _Way) -> str:
    unsure = [way.show(each) for each in line if each.state == "undecided"]
    empty = [way.show(each) for each in line if each.state in ("alone", "blank")]
    without: dict[tuple[str, ...], list[str]] = {}
    for each in line:
        if each.decided and each.missing:
            without.setdefault(each.missing, []).append(way.show(each))
    notes = [say("too few rounds to tell at {listed}", listed=listed(unsure))] if unsure else []
    notes += (
        [say("nothing to compare at {listed}, where fewer than two cells are valid", listed=listed(empty))]
        if empty
        else []
    )
    notes += [
        say("not valid at {where}: {names}", where=listed(where), names=listed(names))
        for names, where in without.items()
    ]
    return "".join(f" ({note})" for note in notes)


def show_rate(per_s: float) -> str:
    """50.0 -> '50/s', 1234567.0 -> '1.23e+06/s'."""
    return f"{per_s:.4g}/s"
