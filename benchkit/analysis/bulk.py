"""Bulk work: how long until a result, how much waited at most, and how long until nothing waited any more.

The backlog is what is due and has no result yet: what waits and what is being worked on. It is counted at every
arrival, where it is largest; a message that was dropped or refused is gone with the last that was seen of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.analysis.pools import Distribution
from benchkit.analysis.results import NEVER_NS, Results


@dataclass(frozen=True, slots=True)
class Bulk:
    """The backlog of one cell: of each figure the largest of any block."""

    most: int
    last: int
    """When the last message was due."""
    drain_ns: int | None
    """From then until nothing was left; None where something still was when the drain was given up."""
    recovery_ns: int | None
    """From the most backlog until it was 0 for the first time: of a burst, what it takes to work it off."""


class Tally:
    """Blocks as they come."""

    def __init__(self) -> None:
        self._blocks: list[Bulk] = []

    def add(self, block: Results) -> None:
        """One block's messages; nothing where all of them are warm-up."""
        if block.measured.any():
            self._blocks.append(_of_block(block))

    def found(self) -> Bulk | None:
        """Of all blocks; None where nothing was due in any measured part."""
        blocks = self._blocks
        if not blocks:
            return None
        return Bulk(
            max(each.most for each in blocks),
            max(each.last for each in blocks),
            _longest([each.drain_ns for each in blocks]),
            _longest([each.recovery_ns for each in blocks]),
        )


def _longest(each: list[int | None]) -> int | None:
    known = [value for value in each if value is not None]
    return max(known) if len(known) == len(each) else None


def _of_block(block: Results) -> Bulk:
    due, left = np.sort(block.due_ns), np.sort(block.left_ns)
    first = int(block.due_ns[block.measured].min())
    counted = np.arange(1, len(due) + 1) - np.searchsorted(left, due, side="right")
    measured = due >= first
    peak = int(np.argmax(np.where(measured, counted, -1)))
    since = int(np.searchsorted(left, due[peak]))
    after = left[since:]
    empty = np.searchsorted(due, after, side="right") == np.arange(since + 1, len(left) + 1)
    ends = after[empty & (after != NEVER_NS)]
    return Bulk(
        most=int(counted[peak]),
        last=int(counted[-1]),
        drain_ns=None if left[-1] == NEVER_NS else max(0, int(left[-1] - due[-1])),
        recovery_ns=int(ends[0] - due[peak]) if len(ends) else None,
    )


def as_document(found: Bulk, latency: Distribution) -> dict[str, Any]:
    """The `bulk` of a cell of run.json; lead time is latency by the name that bulk work has for it."""
    quantiles = {name: None if value is None else value / 1e3 for name, value in latency.quantiles_ns.items()}
    return {
        "lead_time_us": {
            **{name: quantiles[name] for name in ("p50", "p90", "p99")},
            "max": latency.max_ns / 1e3 if latency.count else None,
        },
        "backlog": {"most": found.most, "last": found.last},
        "drain_s": _s(found.drain_ns),
        "recovery_s": _s(found.recovery_ns),
    }


def _s(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
