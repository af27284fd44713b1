"""Seeds: all randomness comes from the scenario's `seed` by numpy's SeedSequence, one branch for each purpose.

Drawing more for one purpose changes nothing for another. The schedule's seed depends on the round and the
payload's on nothing, so every cell of a round meets the same moments and the same content: differences
between cells are then the cells' own (common random numbers).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a seed is for; the numbers are part of a run's reproducibility and never change."""

    ORDER = 0
    SCHEDULE = 1
    PAYLOAD = 2
    STAGE = 3
    WHAT_IF = 4
    LINK = 5
    FAULTS = 6


def seed_for(seed: int, stream: Stream, *index: int) -> int:
    """An independent 63-bit seed for a purpose and, say, a round or a worker; `index` counts from 0."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), *index))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
