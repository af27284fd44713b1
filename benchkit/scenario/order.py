"""Seeds and the order of blocks.

All randomness comes from the scenario's `seed` by numpy's SeedSequence, one branch for each purpose, so
that drawing more for one changes nothing for another. The schedule's seed depends on the round and the
payload's on nothing, so every cell of a round meets the same moments and the same content: differences
between cells are then the cells' own (common random numbers).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

import numpy as np

from benchkit.scenario.model import BlockOptions


class Stream(IntEnum):
    """What a seed is for; the numbers are part of a run's reproducibility and never change."""

    ORDER = 0
    SCHEDULE = 1
    PAYLOAD = 2
    STAGE = 3


# What `--quick` cuts a scenario to: seconds in all, every cell kept, too little for a verdict in the tails.
QUICK_ROUNDS = 3
QUICK_DURATION_S = 0.16
QUICK_WARMUP_S = 0.03
QUICK_DRAIN_S = 0.2


def seed_for(seed: int, stream: Stream, *index: int) -> int:
    """An independent 63-bit seed for a purpose and, say, a round or a worker; `index` counts from 0."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), *index))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def order(cells: int, rounds: int, seed: int, *, leave_out: Collection[int] = ()) -> tuple[int, ...]:
    """`rounds` shuffles of range(cells), one after the other, without those that are measured otherwise."""
    generator = np.random.default_rng(seed_for(seed, Stream.ORDER))
    return tuple(
        int(cell) for _ in range(rounds) for cell in generator.permutation(cells) if cell not in leave_out
    )


def quickened(blocks: BlockOptions) -> BlockOptions:
    """The same blocks, each number at most the quick one."""
    duration_s = min(blocks.duration, QUICK_DURATION_S)
    return BlockOptions(
        rounds=min(blocks.rounds, QUICK_ROUNDS),
        duration=duration_s,
        warmup=min(blocks.warmup, QUICK_WARMUP_S),
        drain=min(blocks.drain, QUICK_DRAIN_S),
        warmup_max=None
        if blocks.warmup_max is None
        else min(blocks.warmup_max, QUICK_WARMUP_S + duration_s / 3),
    )
