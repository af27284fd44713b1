"""The course of a gate, whoever measures: looks until it is decided, then the confirmation of what would fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchkit.gate.rows import Claim, Row, decided, rows, with_confirmation
from benchkit.gate.statistics import ALPHA, Look, looks

CONFIRM: Final = 10
"""Fresh blocks for a failure: seven could decide, and with ten one of them may point the other way."""

Draw = Callable[[int], Sequence[Claim]]
"""Claims of the first so many blocks; measures those that are not there yet."""


def course(
    draw: Draw, found: Sequence[Look], tell: Callable[[list[Row]], None] = lambda _rows: None
) -> list[Row]:
    """The rows of the last look; `tell` hears those of every look."""
    seen: list[Row] = []
    for look in found:
        seen = rows(draw(look.blocks), look.level)
        tell(seen)
        if decided(seen):
            break
    return seen


def confirmation(found: Sequence[Row], draw: Draw, blocks: int) -> list[Row]:
    """Failures, measured again by themselves; `draw` makes fresh blocks of their cells."""
    keys = {row.key for row in found if row.verdict == "FAIL"}
    if not keys:
        return list(found)
    claims = [claim for claim in draw(blocks) if claim.key in keys]
    return with_confirmation(found, {row.key: row for row in rows(claims, ALPHA)})


def fewest_blocks(claims: int) -> int:
    """With fewer, not even the clearest failure of all could be claimed among so many."""
    blocks = 1
    while 2.0**-blocks > looks(blocks)[-1].level / max(1, claims):
        blocks += 1
    return blocks
