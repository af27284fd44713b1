"""What `--what-if` leaves beside the blocks: what was slowed, what was seen then, what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slowed:
    """What was slowed in a block of an experiment; such a block is no measurement of its cell."""

    phase: str
    """Empty in the block that the others are compared with: nothing is slowed in it, all else is as in them."""
    share: float
    """Of the phase's mean; 0 in the block to compare with."""
    added_ns: int
    """What was added to the phase of every message (of every batch, for compute)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a block of a what-if leaves of its messages, delivered ones after warm-up.

    Means are those of a typical stretch: the median over about ten windows of their means, so that a hiccup of the
    machine, which one block meets and its neighbour does not, decides nothing.
    """

    count: int
    period_ns: float
    """Between two completions."""
    mean_ns: float
    """Mean latency."""
    p50_ns: int
    phase_means_ns: Mapping[str, float]
    phase_p50_ns: Mapping[str, float]
    producer_ns: float
    """How long a message kept the producer's thread, what it waited for replies left out."""
    worker_ns: float
    """How long a message kept its worker's thread, from asking for it to asking for the next; what the worker
    waited for the message to be sent is left out. 0 where no worker of ours ran."""
    batch_fill: float
    """Messages of a batch, mean over the batches; 0 where no worker of ours ran."""
    cpu_ns: Mapping[str, float]
    """Of producer, stage and broker, per message; looking in vain (spinning) is left out."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a run with `--what-if` set out to try, as the engine understood it."""

    cells: tuple[str, ...]
    """Those with experiments and confirmations; every cell that can be saturated has a few blocks for its demands."""
    changes: Mapping[str, tuple[str, ...]]
    """By cell, the changes that were asked about, in the words of Trial.change."""
    confirm: bool
    expected_s: float
    """How long the trials were thought to take, said before they began."""
    left_out: Mapping[str, tuple[str, ...]]
    """By cell, what was not tried and why."""
    one_process: tuple[str, ...] = ()
    """Cells whose producer and worker share an interpreter."""
