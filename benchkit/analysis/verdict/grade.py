"""How sure a verdict is: a grade from 0 to 1, calibrated by `benchkit selftest --truth`, no probability.

It is the product of

* agreement: the share of blocks in which the same phase is the largest (or, for `none`, none reaches the limit);
* margin: by how much the phase is larger than the next one that does not belong to the same cause, and than the
  limit; MARGIN of the latency or more counts in full;
* clearness: how far the signs that decided between kinds stood from their thresholds, half a grade at most.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from benchkit.analysis.verdict.facts import Facts
from benchkit.records.samples import PHASES

DOMINATES: Final = 0.30
"""The limit, as a share of the mean latency. A third: measured shares of short runs scatter by a few points, and a
phase that truly holds 35% must not be missed for them; ten phases alike hold 10% each."""
MARGIN: Final = 0.12
CLEAR: Final = 0.25
"""A sign that stands this far from its threshold, up or down, leaves no doubt."""

TOGETHER: Final[tuple[frozenset[str], ...]] = (
    frozenset({"send", "transit"}),
    frozenset({"reply", "return"}),
    *(frozenset({"queue", work}) for work in ("decode", "compute", "reply", "lateness")),
    *(frozenset({"lateness", work}) for work in ("encode", "send")),
)
"""Phases that one cause fills together: a slow way is in `send` where the sender is held up and in `transit` where
it is not, and who waits in a queue waits for the work of others."""


def rival(facts: Facts, phase: str) -> float:
    """The share of the largest phase that the cause of `phase` does not fill as well."""
    own = _companions(facts, phase)
    return max((facts.share(name) for name in PHASES if name not in own), default=0.0)


def _companions(facts: Facts, phase: str) -> Collection[str]:
    kin = {phase}.union(*(group for group in TOGETHER if phase in group))
    return {name for name in kin if facts.share(name) <= facts.share(phase)}


def agreement(facts: Facts, phase: str) -> float:
    """The share of blocks in which `phase` is the largest, its companions left out; 1 without blocks."""
    if not facts.block_means_us:
        return 1.0
    own = _companions(facts, phase)
    rivals = [PHASES.index(name) for name in PHASES if name not in own]
    at = PHASES.index(phase)
    won = [row[at] >= max(row[i] for i in rivals) for row in facts.block_means_us]
    return sum(won) / len(won)


def of_phase(facts: Facts, phase: str, clear: float) -> float:
    """The grade of a verdict that names a phase."""
    share = facts.share(phase)
    margin = min(share - rival(facts, phase), share - DOMINATES + MARGIN / 2)
    return agreement(facts, phase) * _within(margin / MARGIN) * (0.5 + 0.5 * clear)


def of_none(facts: Facts, first: str) -> float:
    """The grade of `none`: how far the largest phase stays below the limit, in how many blocks."""
    margin = _within((DOMINATES - facts.share(first)) / (MARGIN / 2))
    below = [max(row) < DOMINATES * sum(row) for row in facts.block_means_us]
    return margin * (sum(below) / len(below) if below else 1.0)


def clear_below(strength: float) -> float:
    """Of a sign that does not hold (below 1): 1 where it is far from that, a half where it is a hair."""
    return 0.5 + 0.5 * _within((1 - strength) / CLEAR)


def _within(value: float) -> float:
    return max(0.0, min(1.0, value))
