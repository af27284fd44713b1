"""The account of a cell: every scheduled message is in exactly one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchkit.analysis.strips import cut, layout
from benchkit.records.run import Block
from benchkit.records.samples import Samples, Status

PLACES: Final = {
    "delivered": Status.DELIVERED,
    "dropped": Status.DROPPED,
    "rejected": Status.REJECTED,
    "dead_lettered": Status.DEAD_LETTERED,
    "lost": Status.LOST,
    "pending": Status.PENDING,
}


_KNOWN: Final = frozenset(map(int, Status))


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of a cell's messages, counted in one pass."""

    by_status: Mapping[int, int]
    warmup: int
    rows: Mapping[int, int]
    """Rows by block number."""
    unsound: frozenset[int]
    """Blocks with a message that is there twice or has no known fate."""


def fates(samples: Samples) -> Fates:
    """Count a cell's samples (shape (n,), dtype SAMPLE)."""
    found = layout(samples)
    by_status: Counter[int] = Counter()
    warmup, unsound = 0, set()
    for first, last in found.parts():
        sound, before = True, None
        for _, strip in cut(found.samples, first, last):
            status, counts = np.unique(strip["status"], return_counts=True)
            by_status.update(dict(zip(status.tolist(), counts.tolist(), strict=True)))
            warmup += int(np.count_nonzero(strip["warmup"]))
            seq, block = strip["seq"], strip["block"]
            # Rows come in order of their number, and then nothing needs sorting.
            in_order = (seq[1:] > seq[:-1]) | (block[1:] != block[:-1])
            on = before is None or block[0] != before[0] or seq[0] > before[1]
            sound &= bool(set(status.tolist()) <= _KNOWN and in_order.all() and on)
            before = block[-1], seq[-1]
        if not sound:
            unsound |= _unsound(found.samples[first:last])
    rows = dict(zip(found.numbers.tolist(), np.diff(found.starts).tolist(), strict=True))
    return Fates(by_status, warmup, rows, frozenset(unsound))


def _unsound(part: Samples) -> set[int]:
    found = set()
    for number in np.unique(part["block"]).tolist():
        own = part[part["block"] == number]
        status = own["status"]
        if not set(np.unique(status).tolist()) <= _KNOWN or len(np.unique(own["seq"])) < len(own):
            found.add(number)
    return found


def account(found: Fates, blocks: Sequence[Block]) -> dict[str, int]:
    """Messages by what became of them, warm-up included; counted beside it: duplicates and the like."""
    return {
        "scheduled": sum(block.scheduled for block in blocks),
        **{name: found.by_status.get(place, 0) for name, place in PLACES.items()},
        "duplicated": sum(block.duplicated for block in blocks),
        "reordered": sum(block.reordered for block in blocks),
        "corrupted": sum(block.corrupted for block in blocks),
        "unexpected": sum(block.unexpected for block in blocks),
    }


def open_blocks(found: Fates, blocks: Sequence[Block]) -> list[int]:
    """The blocks whose account does not close: messages missing, extra, twice, or of no known fate."""
    own = [
        block.index
        for block in blocks
        if block.scheduled != found.rows.get(block.index, 0) or block.index in found.unsound
    ]
    strangers = set(found.rows) - {block.index for block in blocks}
    return own + sorted(strangers)
