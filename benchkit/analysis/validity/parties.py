"""Whether everybody who takes part was there until the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchkit.analysis.validity.facts import Facts, Reason, graded, percent, reason
from benchkit.records.run import Block, Failure
from benchkit.words import retold, say

_DIED: Final = frozenset({"PartyError", "BrokerError"})
COUNTED: Final = "Rejected"
"""A failure that is a message's fate and stands in the account."""


def failures(facts: Facts) -> Iterator[Failure]:
    """Of all blocks."""
    for block in facts.blocks:
        yield from block.failures


def cut_short(facts: Facts, block: Block) -> bool:
    """The block ended early because a party died, or because the stage failed and was not to go on."""
    return any(
        _is_death(failure) or (facts.stops_on_error and failure.type != COUNTED) for failure in block.failures
    )


def died(facts: Facts) -> Iterator[Reason]:
    """A process that a block needs ended or failed."""
    found = [each for each in failures(facts) if _is_death(each)]
    for party, what, remedy in dict.fromkeys((each.party, each.what, each.remedy) for each in found):
        yield reason(
            "party-died", say("{party} failed: {what}", party=party, what=retold(what)), remedy=retold(remedy)
        )


def _is_death(failure: Failure) -> bool:
    return failure.type in _DIED or not (failure.party.startswith("stage") or failure.type == COUNTED)


def stage_failed(facts: Facts) -> Iterator[Reason]:
    """The stage raised on messages."""
    own = [each for each in failures(facts) if each.party.startswith("stage") and not _is_death(each)]
    if own:
        count = sum(each.count for each in own)
        share = count / facts.scheduled
        text = say(
            "the stage failed on {count} of {scheduled} messages ({share})",
            count=count,
            scheduled=facts.scheduled,
            share=percent(share),
        )
        text += f": {own[0].type}: {own[0].what}"
        yield reason("stage-failed", text, graded(share), own[0].remedy)
