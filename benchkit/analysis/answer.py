"""The answer in plain words: what is fastest and by how much, where the time goes, what does not count.

Written from run.json alone. No difference is claimed without its interval, and none that the interval denies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.goodput_words import alone, delivered_more, falls_short, ranks_first
from benchkit.analysis.guarantees import promise
from benchkit.analysis.search_words import is_search, rates
from benchkit.analysis.words import largest_phases, times, times_with_interval, us_with_interval
from benchkit.units import show_us
from benchkit.words import say

Entry = Mapping[str, Any]
_HIDES: Final = 0.5
"""Where p99 from the actual send is below this share of p99 from the due moment, a reader must know both."""


def answer(cells: Sequence[Entry], ranking: Sequence[Entry]) -> list[str]:
    """One to four sentences a group, in the order of the cells."""
    by_id = {cell["id"]: cell for cell in cells}
    groups = dict.fromkeys(cell["group"] for cell in cells)
    sentences = []
    for group in groups:
        own = [cell for cell in cells if cell["group"] == group]
        if is_search(own[0]):
            sentences += rates(own, ranking)
            continue
        places = [(by_id[place["cell"]], place) for place in ranking if place["group"] == group]
        invalid = [cell for cell in cells if cell["group"] == group and not cell["validity"]["valid"]]
        sentences += _group(places, invalid)
    return sentences


def _group(places: Sequence[tuple[Entry, Entry]], invalid: Sequence[Entry]) -> list[str]:
    found = []
    if places:
        title = places[0][0]["labels"]["group"]
        found = [
            f"{title}: {_ranked(places)}.",
            say("{title}: where the mean latency goes: {time}.", title=title, time=_time(places)),
        ]
        found += [f"{title}: {above}." for above in _above_floors(places)]
    if invalid:
        title = invalid[0]["labels"]["group"]
        each = "; ".join(f"{_row(cell)} ({', '.join(_codes(cell))})" for cell in invalid)
        found.append(
            say("{title}: not valid: {each}.", title=title, each=each)
            if places
            else say("{title}: not valid, so nothing can be said: {each}.", title=title, each=each)
        )
    hidden = "; ".join(filter(None, map(_hidden, [*(cell for cell, _ in places), *invalid])))
    if hidden:
        found.append(
            say(
                "{title}: p99 counts from the moment a message was due: {hidden}.", title=title, hidden=hidden
            )
        )
    return found


def _hidden(cell: Entry) -> str:
    """What a client that counts from the actual send would have reported, where that hides most of the tail."""
    latency, service = cell["latency_us"]["p99"], cell["service_us"]["p99"]
    if latency is None or service is None or service > _HIDES * latency:
        return ""
    return say(
        "{row} {latency}, counted from the actual send it would read {service}",
        row=_row(cell),
        latency=show_us(latency),
        service=show_us(service),
    )


def _row(cell: Entry) -> str:
    return str(cell["labels"]["row"])


def _codes(cell: Entry) -> list[str]:
    return list(
        dict.fromkeys(
            reason["code"] for reason in cell["validity"]["reasons"] if reason["severity"] == "invalid"
        )
    )


def _ranked(places: Sequence[tuple[Entry, Entry]]) -> str:
    best = places[0][0]
    p50 = us_with_interval(best["latency_us"]["p50"], best["latency_us"]["p50_ci95"])
    if len(places) == 1:
        if falls_short(best):
            return alone(best, _row(best), p50)
        return say(
            "{row} takes p50 {p50}; there is no other valid cell to compare it with", row=_row(best), p50=p50
        )
    others = places[1:]
    unsure = [_row(cell) for cell, place in others if place["ratio_ci95"] is None]
    tied = [
        (cell, place) for cell, place in others if place["tied_with_best"] and place["ratio_ci95"] is not None
    ]
    slower = [(cell, place) for cell, place in others if not place["tied_with_best"]]
    text = (
        say("{cell} is fastest with p50 {p50}", cell=_row(best), p50=p50)
        if slower and not unsure and not tied
        else say("{cell} has the lowest p50 {p50}", cell=_row(best), p50=p50)
    )
    if falls_short(best):
        text = ranks_first(best, _row(best), p50)
    if tied:
        text += say(", tied with {listed}", listed=_listed(tied))
    if slower:
        text += say("; times as long: {listed}", listed=_listed(slower))
    if falls_short(best):
        text += delivered_more(best, [(_row(cell), cell) for cell, _ in others])
    if unsure:
        text += say("; too few rounds to tell {unsure} from it", unsure=", ".join(unsure))
    return text + _guarantees([cell for cell, _ in places])


def _listed(some: Sequence[tuple[Entry, Entry]]) -> str:
    return ", ".join(
        f"{_row(cell)} {times_with_interval(place['ratio_to_best'], place['ratio_ci95'])}"
        for cell, place in some
    )


def _guarantees(cells: Sequence[Entry]) -> str:
    """Names unlike guarantees among cells that were ranked together; empty when they are alike."""
    kinds: dict[str, list[str]] = {}
    for cell in cells:
        kinds.setdefault(promise(cell["guarantee"]), []).append(cell["transport"])
    if len(kinds) < 2:
        return ""
    each = "; ".join(f"{', '.join(dict.fromkeys(names))}: {kind}" for kind, names in kinds.items())
    return say(" (unlike guarantees - {each})", each=each)


def _time(places: Sequence[tuple[Entry, Entry]]) -> str:
    ends = [places[0][0]] if len(places) == 1 else [places[0][0], places[-1][0]]
    return "; ".join(f"{_row(cell)}: {largest_phases(dict(cell))}" for cell in ends)


def _above_floors(places: Sequence[tuple[Entry, Entry]]) -> Iterator[str]:
    """How many times its floor each transport takes; nothing where no floor was measured."""
    said, wakes_us = [], 0.0
    for cell, _ in places:
        floor = cell.get("floor")
        if floor and floor["ratio"] is not None:
            said.append(f"{_row(cell)} {times(floor['ratio'])} ({floor['name'].partition(',')[0]})")
            if (floor.get("wakes_us") or 0.0) > floor["p50_us"]:
                wakes_us = floor["wakes_us"]
    if said:
        asleep = (
            say("; by hand nobody sleeps, and being woken takes about {wakes_us}", wakes_us=show_us(wakes_us))
            if wakes_us
            else ""
        )
        yield say(
            "times its floor, the same bytes moved by hand: {said}{asleep}",
            said=", ".join(said),
            asleep=asleep,
        )
