"""What is to be said about a search: what did not end well, and which checks mean something else for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from benchkit.analysis.found import Found
from benchkit.analysis.measure import Measure
from benchkit.analysis.validity import CODES, Reason
from benchkit.units import show_us
from benchkit.words import say, word

_EXPECTED: Final = frozenset({"offered-load-not-reached", "blocks-disagree"})
"""At the edge of capacity messages leave late now and then; the promise counts them from when they were due."""
_OVERLOADED: Final = frozenset({"drain-timed-out", "undelivered", "too-few-samples"})
"""What a level that breaks its promise shows: a finding, where there is no other level to show."""


def search_reasons(found: Found, reasons: Sequence[Reason]) -> list[Reason]:
    """The reasons of the level that is shown, graded for a search, and those of the search itself."""
    softened = _EXPECTED | (_OVERLOADED if found.none_keeps else frozenset())
    kept = [replace(each, severity="note") if each.code in softened else each for each in reasons]
    return kept + list(_own(found))


def _own(found: Found) -> Iterator[Reason]:
    ended = found.sought.ended
    if ended == "given-up":
        yield _reason("search-given-up", say("a block of the search could not be measured"))
    elif ended != "found":
        why = (
            word("the time was up before the rate was known to {precision:.0%}")
            if ended == "time"
            else word("the run ended before the rate was known to {precision:.0%}")
        )
        yield _reason("search-unfinished", say(why, precision=found.sought.precision))
    if found.none_keeps:
        yield _reason("no-level-keeps", no_level_words(found))


def no_level_words(found: Found) -> str:
    """That nothing keeps the promise, with the smallest latency seen."""
    lowest = found.steps[0].level.rate_per_s
    smallest = found.smallest_s
    seen = (
        say("no message came through")
        if smallest is None
        else say("the smallest latency seen is {smallest}", smallest=show_us(smallest * 1e6))
    )
    return say("no rate keeps the promise, not even {lowest:g}/s: {seen}", lowest=lowest, seen=seen)


def _reason(code: str, message: str) -> Reason:
    return Reason(code, CODES[code].severity, message, CODES[code].remedy)


def no_level(cell: str, found: Found, figures: Measure) -> list[dict[str, Any]]:
    """The promises that no level kept, as entries of `promises`; none where one did."""
    if not found.none_keeps:
        return []
    slowest = found.steps[0]
    entries = []
    for name in slowest.level.broken_by:
        if name not in found.sought.slo:
            continue
        if name == "loss":
            scheduled = sum(block.messages for block in slowest.level.blocks)
            gone = sum(block.gone for block in slowest.level.blocks)
            value: float | None = gone / max(1, scheduled)
        else:
            quantile = figures.latency.max_ns if name == "max" else figures.latency.quantiles_ns[name]
            value = None if quantile is None else quantile / 1e9
        entries.append(
            {"cell": cell, "name": name, "limit": found.sought.slo[name], "value": value, "kept": False}
        )
    return entries
