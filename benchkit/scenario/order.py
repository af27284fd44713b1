"""The order of blocks, and what `--quick` leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from benchkit.scenario.model import BlockOptions, WhatIfOptions
from benchkit.scenario.seeds import Stream, seed_for

# What `--quick` cuts a scenario to: seconds in all, every cell kept, too little for a verdict in the tails.
QUICK_ROUNDS = 3
QUICK_DURATION_S = 0.16
QUICK_WARMUP_S = 0.03
QUICK_DRAIN_S = 0.2
QUICK_SOAK_S = 3.0
QUICK_TRIAL_S = 0.1
QUICK_TRIALS_S = 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """Indices of cells, one a block: shuffles of range(cells) one after the other, drawn when they are asked for."""

    cells: int
    rounds: int | None
    """None: without end, for a soak, whose end is a matter of time."""
    seed: int
    leave_out: frozenset[int] = frozenset()
    """Those that are measured otherwise."""

    def __iter__(self) -> Iterator[int]:
        """Always the same for the same seed."""
        if len(self.leave_out) == self.cells:
            return
        generator = np.random.default_rng(seed_for(self.seed, Stream.ORDER))
        for _ in range(self.rounds) if self.rounds is not None else count():
            for cell in generator.permutation(self.cells).tolist():
                if cell not in self.leave_out:
                    yield cell


def quickened(blocks: BlockOptions) -> BlockOptions:
    """The same blocks, each number at most the quick one: the scenario's own (`blocks.quick`), or the default."""
    quick = blocks.quick
    duration_s = min(blocks.duration, quick.duration or QUICK_DURATION_S)
    warmup_s = min(blocks.warmup, QUICK_WARMUP_S if quick.warmup is None else quick.warmup)
    return BlockOptions(
        rounds=min(blocks.rounds, quick.rounds or QUICK_ROUNDS),
        duration=duration_s,
        warmup=warmup_s,
        drain=min(blocks.drain, quick.drain or QUICK_DRAIN_S),
        soak=None if blocks.soak is None else min(blocks.soak, QUICK_SOAK_S),
        warmup_max=None if blocks.warmup_max is None else min(blocks.warmup_max, warmup_s + duration_s / 3),
    )


def quickened_trials(asked: WhatIfOptions) -> WhatIfOptions:
    """The same trials, each number at most the quick one."""
    return asked.model_copy(
        update={
            "rounds": min(asked.rounds, QUICK_ROUNDS),
            "duration": min(asked.duration, QUICK_TRIAL_S),
            "longest": min(asked.longest, QUICK_TRIALS_S),
        }
    )
