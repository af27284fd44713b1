"""What the blocks of one level showed: samples -> Evidence for the search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from benchkit.analysis.capacity import Evidence
from benchkit.analysis.ledger import Column, latency_ns
from benchkit.records.run import Block
from benchkit.records.samples import Samples, Status

_PIECES: Final = 10
_LEAST_PIECE: Final = 3


def evidence(samples: Samples, block: Block, slo: Mapping[str, float]) -> Evidence:
    """Evidence of one block; `samples` are its own, shape (n,), dtype SAMPLE."""
    delivered = samples["status"] == Status.DELIVERED
    counted = ~samples["warmup"]
    good = delivered & counted
    latency = latency_ns(samples)
    late = {
        name: int(np.count_nonzero(counted & ~(delivered & (latency <= limit_s * 1e9))))
        for name, limit_s in slo.items()
        if name != "loss"
    }
    growth, error = _growth(samples[counted], latency[counted], block)
    return Evidence(
        messages=int(np.count_nonzero(counted)),
        delivered=int(np.count_nonzero(good)),
        gone=int(np.count_nonzero(counted & ~delivered & (samples["status"] != Status.PENDING))),
        late=late,
        growth=growth,
        growth_error=error,
        smallest_s=float(latency[delivered].min()) / 1e9 if delivered.any() else math.inf,
        largest_s=float(latency[good].max()) / 1e9 if good.any() else 0.0,
    )


def _growth(samples: Samples, latency: Column, block: Block) -> tuple[float, float]:
    """Slope of latency over the due moment, and its standard error; an infinite error where it cannot be known.

    The error takes the scatter around the line as if it wandered once through the block: at worst, the slope
    of n points that depend on each other so is no better known than that of one pair of them at the block's
    ends. Medians of ten pieces are what the line is laid through, so that a single stall tilts nothing.
    """
    pending = samples["status"] == Status.PENDING
    # What was never answered has waited until the block was given up, at least.
    waited = np.where(pending, block.ended_ns - samples["due"], latency)
    use = np.flatnonzero(pending | (samples["status"] == Status.DELIVERED))
    if len(use) < _PIECES * _LEAST_PIECE:
        return 0.0, math.inf
    pieces = np.array_split(use, _PIECES)
    x = np.array([samples["due"][piece].mean() for piece in pieces]) / 1e9
    y = np.array([np.median(waited[piece]) for piece in pieces]) / 1e9
    x -= x.mean()
    slope = float(x @ y / (x @ x))
    scatter = float(np.sqrt(np.sum((y - y.mean() - slope * x) ** 2) / (_PIECES - 2)))
    return slope, scatter * math.sqrt(12) / float(np.ptp(x))


def trusted(block: Block) -> bool:
    """No party died in it: what a crash cut short says nothing about a rate."""
    return not any(failure.type in ("PartyError", "BrokerError") for failure in block.failures)
