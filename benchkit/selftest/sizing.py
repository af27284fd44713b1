"""How much to plant, so that the planted phase holds the share of the latency that is claimed.

Given what each phase takes in a healthy run of the same pipeline (the median, in microseconds): the target is
drawn out, and the other phases that can be are filled up evenly from the lowest, as water fills a vessel, until
the whole has the right size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchkit.selftest.recipe import Spent

FILLABLE: Final = ("encode", "send", "transit", "decode", "compute")


@dataclass(frozen=True, slots=True)
class Sized:
    """What to spend, and the share that the target then holds."""

    spent: Spent
    """Of the phases that are filled up; the target's own amount is `planted_us`."""
    planted_us: float
    share: float


def planted(natural: Mapping[str, float], target: Sequence[str], share: float, latency_us: float) -> Sized:
    """Draw the target phases out to `share` of the latency, which is `latency_us` or what it takes at least."""
    own = sum(natural[phase] for phase in target)
    others = sum(natural.values()) - own
    whole = max(latency_us, others / (1 - share), own / share)
    spent = level(natural, [phase for phase in FILLABLE if phase not in target], whole * (1 - share) - others)
    return Sized(spent, whole * share - own, share)


def level(natural: Mapping[str, float], phases: Sequence[str], budget_us: float) -> Spent:
    """Spread the budget over the phases so that the lowest rise to one level."""
    heights = sorted(natural[phase] for phase in phases)
    left, at = max(0.0, budget_us), heights[0]
    for number, height in enumerate(heights[1:], 1):
        step = min(left, (height - at) * number)
        at, left = at + step / number, left - step
    at += left / len(heights)
    return Spent(**{phase: max(0.0, at - natural[phase]) for phase in phases})


def mean_wait_us(due_ns: Sequence[int], service_us: float) -> float:
    """The mean wait for one worker with a constant service time.

    Lindley's recursion (Proceedings of the Cambridge Philosophical Society 48, 1952, 277).
    """
    free, waited = 0.0, 0.0
    for due in due_ns:
        arrived = due / 1e3
        waited += max(0.0, free - arrived)
        free = max(free, arrived) + service_us
    return waited / max(1, len(due_ns))
