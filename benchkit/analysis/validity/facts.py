"""What the checks look at, and how they say what they found.

Shares of up to 1% are tolerated where a single stray message should not spoil a block. What befalls whole
blocks is a note that names them, and invalid beyond a third of the cell's blocks: figures are medians over
blocks and a t interval across them, which a third of strangers bends too far to be read as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchkit.analysis.drift import Drift
from benchkit.analysis.little import Little
from benchkit.analysis.measure import Measure
from benchkit.analysis.validity.codes import CODES, Severity
from benchkit.records.run import Block, Cell
from benchkit.words import say

TOLERATED: Final = 0.01
_NAMED: Final = 5
_BLOCKS_TOLERATED: Final = 3
"""One block in so many may be affected."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, as run.json holds it."""

    code: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at: one cell, its blocks, its figures."""

    cell: Cell
    blocks: Sequence[Block]
    account: Mapping[str, int]
    open_blocks: Sequence[int]
    measure: Measure
    cores: int
    floor_us: float | None
    """p50 of an empty message through the engine and back; None when it was not measured."""
    replies_to_check: bool = False
    """The scenario asks for replies to be compared with the stage run locally."""
    stops_on_error: bool = False
    """A stage's exception ends its block."""
    disturbed: Mapping[int, str] = field(default_factory=dict)
    """By index, the run's blocks that the machine disturbed, with what it did (`analysis.disturbance`)."""
    placement: Mapping[str, str] = field(default_factory=dict)
    """Which core each role was given; no role where nothing was pinned."""
    drift: Mapping[str, Drift] = field(default_factory=dict)
    little: Little | None = None
    """Messages as they were counted, beside the same by the stamps; None where nobody looked."""

    @property
    def scheduled(self) -> int:
        """At least 1, so that shares can be formed."""
        return max(1, self.account["scheduled"])


def reason(code: str, message: str, severity: Severity | None = None, remedy: str = "") -> Reason:
    """A reason with its code's usual severity and remedy where none is given."""
    return Reason(code, severity or CODES[code].severity, message, remedy or CODES[code].remedy)


def graded(share: float) -> Severity:
    """By a share of the messages."""
    return "invalid" if share > TOLERATED else "note"


def graded_blocks(affected: int, blocks: int) -> Severity:
    """By how many of a cell's blocks are affected."""
    return "invalid" if affected * _BLOCKS_TOLERATED > blocks else "note"


def blocks_named(blocks: Sequence[int]) -> str:
    """`block 3, 4, 7`, with an ellipsis after the first five."""
    more = ", ..." if len(blocks) > _NAMED else ""
    return say("block {numbers}{more}", numbers=", ".join(map(str, blocks[:_NAMED])), more=more)


def percent(share: float) -> str:
    """0.0734 -> '7.3%', 0.0004 -> '0.04%', 0.5 -> '50%'."""
    points = 100 * share
    return f"{points:.0f}%" if points >= 10 or points == 0 else f"{points:.2g}%"


def messages(count: int) -> str:
    """In words: `1 message`, `7 messages`."""
    return say("1 message") if count == 1 else say("{count} messages", count=count)
