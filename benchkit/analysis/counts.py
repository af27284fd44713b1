"""What the ends of a transport counted of themselves, over all blocks of a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchkit.records.run import Block


def transport_counts(blocks: Sequence[Block]) -> Mapping[str, Mapping[str, int]]:
    """By side (`producer`, `stage`) and by the transport's own names; warm-up included; empty where none counts."""
    found: dict[str, Counter[str]] = {}
    for block in blocks:
        for role, counts in block.counts.items():
            found.setdefault(role.partition("-")[0], Counter()).update(counts)
    return {side: dict(counts) for side, counts in found.items()}
