"""What searches found, in plain words; written from run.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from benchkit.analysis.words import times_with_interval
from benchkit.units import show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]


def is_search(cell: Entry) -> bool:
    """Its load looked for something."""
    return "capacity" in cell or "backlog" in cell


def rates(cells: Sequence[Entry], ranking: Sequence[Entry]) -> list[str]:
    """One sentence for each cell of a group, the highest rate first, and one that compares them."""
    title = str(cells[0]["labels"]["group"])
    by_id = {cell["id"]: cell for cell in cells}
    places = [place for place in ranking if place["cell"] in by_id]
    ordered = [by_id[place["cell"]] for place in places]
    ordered += [cell for cell in cells if cell not in ordered]
    found = [f"{title}: {_one(cell)}." for cell in ordered]
    if len(places) > 1:
        found.append(f"{title}: {_compared(places, by_id)}.")
    return found


def _one(cell: Entry) -> str:
    row = str(cell["labels"]["row"])
    if not cell["validity"]["valid"]:
        codes = (reason["code"] for reason in cell["validity"]["reasons"] if reason["severity"] == "invalid")
        return say("{row}: not valid ({codes})", row=row, codes=", ".join(dict.fromkeys(codes)))
    return (
        f"{row} {_capacity(cell['capacity'])}" if "capacity" in cell else f"{row} {_backlog(cell['backlog'])}"
    )


def _capacity(found: Entry) -> str:
    promise = promised(found["slo"])
    if found["rate_per_s"] is None and found["ended"] != "found":
        return say("was not searched to the end: no rate is known that holds {promise}", promise=promise)
    if found["rate_per_s"] is None:
        seen = found["smallest_us"]
        least = (
            say("nothing came through")
            if seen is None
            else say("the smallest latency seen is {seen}", seen=show_us(seen))
        )
        lowest = found["levels"][0]["rate_per_s"] if found["levels"] else None
        if lowest is None:
            return say("keeps {promise} at no rate: {least}", promise=promise, least=least)
        return say(
            "keeps {promise} at no rate, not even at {lowest:.4g}/s: {least}",
            promise=promise,
            lowest=lowest,
            least=least,
        )
    edge = found["edge"]
    if edge is None:
        return say(
            "holds {found} with {promise}, the most that was tried",
            found=rate_with_interval(found),
            promise=promise,
        )
    limit = (
        ""
        if found["limited_by"] == "none"
        else say("; limited by the {limited_by}", limited_by=named(found["limited_by"]))
    )
    return say(
        "holds {found} with {promise}, a {kind}{limit}",
        found=rate_with_interval(found),
        promise=promise,
        kind=named(edge["kind"]),
        limit=limit,
    )


def _backlog(found: Entry) -> str:
    if found["rate_per_s"] is None:
        return say("drained nothing")
    return say(
        "drains a queue of {filled} at {found}", filled=found["filled"], found=rate_with_interval(found)
    )


def promised(slo: Mapping[str, float]) -> str:
    """`p99 <= 100 ms and no loss`."""
    words = []
    for name, limit in slo.items():
        if name == "loss":
            words.append(say("loss <= {limit:.2%}", limit=limit) if limit else say("no loss"))
        else:
            words.append(f"{name} <= {show_us(limit * 1e6)}")
    return reduce(lambda some, last: say("{some} and {last}", some=some, last=last), words) if words else ""


def rate_with_interval(found: Entry) -> str:
    """`412/s [412, 421]`; an end that is not known is a question mark."""
    rate, ends = found["rate_per_s"], found["interval"] or [None, None]
    low, high = ("?" if end is None else _number(end) for end in ends)
    return f"{_number(rate)}/s [{low}, {high}]"


def _number(rate_per_s: float) -> str:
    return f"{rate_per_s:.0f}" if rate_per_s >= 99.5 else f"{rate_per_s:.3g}"


def _compared(places: Sequence[Entry], by_id: Mapping[str, Entry]) -> str:
    best = by_id[places[0]["cell"]]["labels"]["row"]
    others = [(by_id[place["cell"]]["labels"]["row"], place) for place in places[1:]]
    behind = [
        f"{row} {times_with_interval(place['ratio_to_best'], place['ratio_ci95'])}"
        for row, place in others
        if not place["tied_with_best"]
    ]
    tied = [str(row) for row, place in others if place["tied_with_best"]]
    words = (
        [say("{best} holds so many times the rate of: {behind}", best=best, behind=", ".join(behind))]
        if behind
        else []
    )
    words += [say("{best} cannot be told apart from {tied}", best=best, tied=", ".join(tied))] if tied else []
    return "; ".join(words)
