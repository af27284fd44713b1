"""How fast a filled queue drains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.analysis.intervals import LEAST_BLOCKS, Interval, exp, mean_error, t_interval
from benchkit.analysis.ledger import end_ns
from benchkit.records.run import Block, Cell
from benchkit.records.samples import Samples, Status


@dataclass(frozen=True, slots=True)
class Drained:
    """The drain of one cell's queue."""

    rate_per_s: float | None
    """Geometric mean over the blocks; None where no block drained two messages."""
    interval: Interval | None
    """95%, Student's t over the blocks' logarithms; None with fewer than three."""
    filled: int
    """Messages that waited in the queue when the first one was taken out: the least of any block."""
    by_block_per_s: tuple[float, ...]


def drained(cell: Cell, blocks: Sequence[Block], samples: Samples) -> Drained | None:
    """The drain of a cell that was asked for it; None for any other."""
    if cell.search is None or cell.search.kind != "backlog":
        return None
    own = [samples[samples["block"] == block.index] for block in blocks]
    rates = tuple(rate for each in own if (rate := _rate(each)) is not None)
    logs = np.log(rates)
    interval = None
    if len(rates) >= LEAST_BLOCKS:
        low, high = t_interval(*mean_error(logs))
        interval = exp(low), exp(high)
    mean = exp(float(logs.mean())) if rates else None
    return Drained(mean, interval, min((_filled(each) for each in own), default=0), rates)


def _rate(samples: Samples) -> float | None:
    """Completions per second between the first and the last one."""
    done = samples[samples["status"] == Status.DELIVERED]
    ends = end_ns(lambda name: done[name])
    span_ns = int(np.ptp(ends)) if len(ends) > 1 else 0
    return (len(ends) - 1) * 1e9 / span_ns if span_ns else None


def _filled(samples: Samples) -> int:
    sent, received = samples["sent"], samples["received"]
    taken = received[received != 0]
    return int(np.count_nonzero((sent != 0) & (sent <= taken.min()))) if len(taken) else 0


def as_document(found: Drained) -> dict[str, Any]:
    """The `backlog` of a cell of run.json."""
    return {
        "rate_per_s": found.rate_per_s,
        "interval": found.interval,
        "filled": found.filled,
        "by_block_per_s": list(found.by_block_per_s),
    }
