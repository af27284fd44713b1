"""Why a cell is not valid: a closed list of codes, each with its remedy (the table is in `codes`).

A reason is `invalid` (the cell carries no verdict and is not ranked) or a `note` (what a reader must know).
The checks are grouped by what they look at: the `parties`, the `messages`, the `load` that was offered, the
`sample`, the `machine`, the `path` that was used. `effect-below-noise` is no property of one cell: it is found
when cells are ranked (`analysis.noise`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from benchkit.analysis.validity import load, machine, messages, parties, path, sample, trace
from benchkit.analysis.validity.codes import CODES, Kind, Severity
from benchkit.analysis.validity.facts import TOLERATED, Facts, Reason, percent, reason
from benchkit.words import say

__all__ = [
    "CODES",
    "TOLERATED",
    "Facts",
    "Kind",
    "Reason",
    "Severity",
    "is_valid",
    "percent",
    "reason",
    "reasons",
]

# In the order in which a person should read them: what broke, then what was asked for, then how sure it is.
_CHECKS: Final[tuple[Callable[[Facts], Iterator[Reason]], ...]] = (
    parties.died, parties.stage_failed, messages.account, messages.drain, messages.undelivered,
    messages.traffic, messages.integrity, messages.guarantee, path.as_claimed, path.link, messages.stamps,
    messages.little, messages.foreign, load.source, load.offered, sample.warm_up, sample.too_few, sample.few_blocks,
    sample.disagree, sample.drift, machine.disturbed, machine.cores, machine.near_floor, trace.gaps,
)  # fmt: skip


def reasons(facts: Facts) -> list[Reason]:
    """All reasons of one cell; it is valid when none is `invalid`."""
    if facts.cell.skipped:
        return [reason("skipped", facts.cell.skipped, remedy=facts.cell.skipped_remedy)]
    if not facts.blocks:
        return [reason("not-measured", say("no block of it was measured before the run ended"))]
    return [found for check in _CHECKS for found in check(facts)]


def is_valid(found: Sequence[Reason]) -> bool:
    """No reason among them invalidates."""
    return all(each.severity != "invalid" for each in found)
