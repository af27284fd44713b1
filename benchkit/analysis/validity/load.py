"""Whether the load that was asked for was offered.

LATE_NS says what late is. One late message in fifteen is no evidence that more than 1% are late: a cell is
invalid for it only when so many late ones would come by chance in at most one of a hundred cells that are
late 1% of the time (one-sided binomial test); until then it is a note. Likewise a rate falls short by one
message or by none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import scipy

from benchkit.analysis.measure import LATE_NS
from benchkit.analysis.traffic import shed
from benchkit.analysis.validity.codes import Severity
from benchkit.analysis.validity.facts import TOLERATED, Facts, Reason, graded, percent, reason
from benchkit.analysis.validity.parties import cut_short
from benchkit.units import show_us
from benchkit.words import say

_LATE_P: Final = 0.01
_NO_MATTER: Final = 0.05
"""Lateness below this share of the median latency: the schedule that a slow stage met is the one that was asked for."""


def source(facts: Facts) -> Iterator[Reason]:
    """Messages were there when they were due."""
    starved = sum(block.starved for block in facts.blocks)
    if starved:
        share = starved / facts.scheduled
        text = say(
            "the source had no message ready for {starved} of {scheduled} ({share})",
            starved=starved,
            scheduled=facts.scheduled,
            share=percent(share),
        )
        yield reason("source-too-slow", text, graded(share))


def offered(facts: Facts) -> Iterator[Reason]:
    """Messages left when they were due, at the rate of the schedule."""
    pace = facts.measure.pace
    if all(block.offered_per_s is None for block in facts.blocks):
        return
    if any(cut_short(facts, block) for block in facts.blocks):
        return
    if shed(facts.cell, facts.blocks):
        # What could not leave in time was offered all the same, and shed as the scenario asks.
        return
    kept = 1.0 if pace.kept is None else pace.kept
    count = facts.measure.pace.count
    slow = kept < 1 - TOLERATED
    if pace.late_share <= TOLERATED and not slow:
        return
    late_beyond_chance = scipy.special.bdtrc(round(pace.late_share * count) - 1, count, TOLERATED) <= _LATE_P
    severity: Severity = "invalid" if late_beyond_chance or (slow and (1 - kept) * count >= 1) else "note"
    if not slow and _beside_latency(facts) <= _NO_MATTER:
        severity = "note"
    encode, send = (show_us(facts.measure.of_producer(name).mean_ns / 1e3) for name in ("encode", "send"))
    late = say(
        "{late_share} of the messages left more than {late} late",
        late_share=percent(pace.late_share),
        late=show_us(LATE_NS / 1e3),
    )
    yield reason(
        "offered-load-not-reached",
        say(
            "{late} and {kept} of the schedule's rate was reached; per message the producer spent "
            "{encode} encoding and {send} in send",
            late=late,
            kept=percent(min(kept, 1)),
            encode=encode,
            send=send,
        ),
        severity,
    )


def _beside_latency(facts: Facts) -> float:
    """How late the latest messages left (the latest 1%, of few the last), as a share of the median latency."""
    late, latency_ns = facts.measure.pace.lateness, facts.measure.latency.quantiles_ns["p50"]
    worst_ns = late.quantiles_ns["p99"]
    return (late.max_ns if worst_ns is None else worst_ns) / latency_ns if latency_ns else 1.0
