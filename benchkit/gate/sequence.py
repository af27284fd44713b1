"""The course of a gate, whoever measures: looks until it is decided, then the confirmation of what would fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchkit.gate.rows import Claim, Key, Row, decided, rows, still_worse, with_confirmation
from benchkit.gate.statistics import ALPHA, Look, looks

CONFIRM: Final = 10
"""Fresh blocks for a failure: seven could decide, and with ten one of them may point the other way."""
CONFIRM_LOOKS: Final = 2
"""Where that many do not decide and it still looks worse, as many again: a restless machine hides what is there."""

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


def confirmation(found: Sequence[Row], draw: Fresh, blocks: int) -> list[Row]:
    """Failures, measured again by themselves.

    The looks before have kept what was promised of false failures; each look here only makes fewer of them, so that
    the second needs no share of the first's.
    """
    undecided = frozenset(row.key for row in found if row.verdict == "FAIL")
    again: dict[Key, Row] = {}
    for look in range(1, CONFIRM_LOOKS + 1):
        if undecided:
            seen = rows(draw(look * blocks, undecided), ALPHA)
            again |= {row.key: row for row in seen}
            undecided = frozenset(row.key for row in seen if row.verdict != "FAIL" and still_worse(row))
    return with_confirmation(found, again)


def fewest_blocks(claims: int) -> int:
    """With fewer, not even the clearest failure of all could be claimed among so many."""
    blocks = 1
    while 2.0**-blocks > looks(blocks)[-1].level / max(1, claims):
        blocks += 1
    return blocks
