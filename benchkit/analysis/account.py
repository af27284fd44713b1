"""The account of a cell: every scheduled message is in exactly one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

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


def account(samples: Samples, blocks: Sequence[Block]) -> dict[str, int]:
    """Messages by what became of them, warm-up included; counted beside it: duplicates and the like."""
    status = samples["status"]
    return {
        "scheduled": sum(block.scheduled for block in blocks),
        **{name: int(np.count_nonzero(status == place)) for name, place in PLACES.items()},
        "duplicated": sum(block.duplicated for block in blocks),
        "reordered": sum(block.reordered for block in blocks),
        "corrupted": sum(block.corrupted for block in blocks),
        "unexpected": sum(block.unexpected for block in blocks),
    }


def open_blocks(samples: Samples, blocks: Sequence[Block]) -> list[int]:
    """The blocks whose account does not close: messages missing, extra, twice, or of no known fate."""
    status, owner = samples["status"], samples["block"]
    known = (status >= min(Status)) & (status <= max(Status))
    found = []
    for block in blocks:
        own = np.flatnonzero(owner == block.index)
        distinct = _distinct(samples["seq"][own])
        if not (block.scheduled == len(own) == distinct == np.count_nonzero(known[own])):
            found.append(block.index)
    strangers = set(np.unique(owner).tolist()) - {block.index for block in blocks}
    return found + sorted(strangers)


def _distinct(seq: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    # Rows come in order of their number, and then nothing needs sorting.
    return len(seq) if np.all(seq[1:] > seq[:-1]) else len(np.unique(seq))
