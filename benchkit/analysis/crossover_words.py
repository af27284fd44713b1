"""Crossover maps in words: who wins from which payload (or rate) on, what ties, between which two it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from benchkit.units import show_bytes

if TYPE_CHECKING:
    from benchkit.analysis.crossover import Outcome


@dataclass(frozen=True, slots=True)
class _Way:
    """How one speaks along one axis of the map."""

    along: str
    most: str
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
    wins = "holds the highest rate" if by == "rate" else "is fastest"
    lines: dict[str, list[str]] = {}
    for fixed, line, way in _lines(outcomes, rates_per_s, payloads_bytes):
        if sum(each.decided for each in line) > 1:
            lines.setdefault(_told(line, way, wins, brokerless), []).append(fixed)
    for said, fixed_at in lines.items():
        at = ", ".join(filter(None, [title, _listed(fixed_at)]))
        yield f"Crossover ({at}): {said}."


def _lines(
    outcomes: Sequence[Outcome], rates_per_s: Sequence[float | None], payloads_bytes: Sequence[int]
) -> Iterator[tuple[str, list[Outcome], _Way]]:
    if len(payloads_bytes) > 1:
        way = _Way("payload", "the largest", lambda each: show_bytes(each.payload_bytes))
        for rate in rates_per_s:
            fixed = "" if rate is None else f"at {show_rate(rate)}"
            yield fixed, [each for each in outcomes if each.rate_per_s == rate], way
    way = _Way("rate", "the highest", lambda each: show_rate(each.rate_per_s or 0.0))
    for size in payloads_bytes:
        own = [each for each in outcomes if each.payload_bytes == size and each.rate_per_s is not None]
        if len(payloads_bytes) == 1 or not _beside(outcomes, own):
            yield f"at {show_bytes(size)}", own, way


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
        ends = f"{way.show(runs[0][0])} to {way.show(runs[0][-1])}"
        said = f"{_who(runs[0], wins, brokerless)} at every {way.along} measured, {ends}"
    else:
        top = runs[-1]
        where = f"from {way.show(top[0])} up, measured to" if len(top) > 1 else "at"
        end = way.show(top[-1]) + ("" if len(top) > 1 else f", {way.most} measured")
        parts = [f"{_who(top, wins, brokerless)} {where} {end}"]
        parts += [f"{_who(run, wins, brokerless)} {_range(run, way)}" for run in reversed(runs[:-1])]
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
        where = f"between {way.show(one[-1])} and {way.show(other[0])}"
        found[relation(one[-1], other[0])].insert(0, where)
    if found["changed"]:
        yield f"it changes {_listed(found['changed'])}"
    if found["unknown"]:
        yield f"{_listed(found['unknown'])} not the same cells are valid, so whether it changes cannot be told"


def relation(one: Outcome, other: Outcome) -> Literal["same", "changed", "unknown"]:
    """Whether two decided fields have the same winners, as far as cells that are valid in both tell."""
    common = set(one.compared) & set(other.compared)
    if one.winners[0] not in common or other.winners[0] not in common:
        return "unknown"
    return "same" if set(one.winners) & common == set(other.winners) & common else "changed"


def _range(run: Sequence[Outcome], way: _Way) -> str:
    ends = [way.show(run[0]), way.show(run[-1])]
    return f"at {ends[0]}" if len(run) == 1 else f"from {ends[0]} to {ends[1]}"


def _who(run: Sequence[Outcome], wins: str, brokerless: AbstractSet[str]) -> str:
    names = sorted({name for each in run for name in each.winners})
    compared = {name for each in run for name in each.compared}
    many = "both" if len(names) == 2 else f"all {len(names)}"
    if len(names) == 1:
        return f"{names[0]} {wins}"
    if set(names) == compared:
        return f"{many} tie"
    if set(names) == brokerless & compared:
        return f"{many} brokerless ones tie"
    return f"{_listed(names)} tie"


def _caveats(line: Sequence[Outcome], way: _Way) -> str:
    unsure = [way.show(each) for each in line if each.state == "undecided"]
    empty = [way.show(each) for each in line if each.state in ("alone", "blank")]
    without: dict[tuple[str, ...], list[str]] = {}
    for each in line:
        if each.decided and each.missing:
            without.setdefault(each.missing, []).append(way.show(each))
    notes = [f"too few rounds to tell at {_listed(unsure)}"] if unsure else []
    notes += (
        [f"nothing to compare at {_listed(empty)}, where fewer than two cells are valid"] if empty else []
    )
    notes += [f"not valid at {_listed(where)}: {_listed(names)}" for names, where in without.items()]
    return "".join(f" ({note})" for note in notes)


def show_rate(per_s: float) -> str:
    """50.0 -> '50/s', 1234567.0 -> '1.23e+06/s'."""
    return f"{per_s:.4g}/s"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
