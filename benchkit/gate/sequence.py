"""The course of a gate, whoever measures: looks until it is decided, then fresh blocks of what looks worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchkit.gate.rows import Claim, Key, Row, decided, rows, still_worse, with_fresh
from benchkit.gate.statistics import Look, looks

Draw = Callable[[int], Sequence[Claim]]
"""Claims of the first so many blocks; measures those that are not there yet."""
Fresh = Callable[[int, frozenset[Key]], Sequence[Claim]]
"""These claims, of the first so many fresh blocks."""


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


def confirmation(found: Sequence[Row], draw: Fresh, fresh: Sequence[Look]) -> list[Row]:
    """What looks worse, measured again by itself: FAIL is said by fresh blocks alone.

    They know nothing of how they were chosen, and the levels of their looks add up to ALPHA: that keeps what is
    promised of false failures, however generous the choice. So it takes all that looks worse, sure or not, and a
    slow-down that a restless machine hid from the first blocks is found.
    """
    unsettled = frozenset(row.key for row in found if row.verdict != "PASS" and still_worse(row))
    again: dict[Key, Row] = {}
    for look in fresh:
        if not unsettled:
            break
        seen = rows(draw(look.blocks, unsettled), look.level)
        again |= {row.key: row for row in seen}
        failed = {row.cell for row in seen if row.verdict == "FAIL"}
        unsettled = frozenset(row.key for row in seen if row.cell not in failed and still_worse(row))
    return with_fresh(found, again)


def fewest_blocks(claims: int) -> int:
    """With fewer, not even the clearest failure of all could be claimed among so many."""
    blocks = 1
    while 2.0**-blocks > looks(blocks)[-1].level / max(1, claims):
        blocks += 1
    return blocks
