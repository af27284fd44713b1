"""What a trial leaves of its samples: counts, times and demands; pure functions of samples and usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from benchkit.analysis.ledger import Column, end_ns, phases_ns
from benchkit.records.samples import PHASES, Samples, Status
from benchkit.records.seen import Usage
from benchkit.records.what_if import Figures

LEAST_MESSAGES: Final = 4
"""With fewer a trial says nothing."""
_WINDOWS: Final = 10
WAITS: Final = ("lateness", "queue", "batch")
"""Phases in which a message waits for others."""


def figures(
    samples: Samples, usage: Mapping[str, Usage], *, step: int = 1, batched: bool = False
) -> Figures | None:
    """The figures of one block's samples (shape (n,), dtype SAMPLE); None with too few messages.

    Messages are done `step` at a time (workers times batch), so windows of completions hold a multiple of it.
    """
    rows = samples[(samples["status"] == Status.DELIVERED) & ~samples["warmup"]]
    if len(rows) < max(LEAST_MESSAGES, 2 * step):
        return None
    rows = rows[np.argsort(rows["due"], kind="stable")]
    latency = end_ns(lambda name: rows[name]) - rows["due"]
    phases = phases_ns(rows)
    held, fill = _workers(rows, step, batched=batched)
    return Figures(
        count=len(rows),
        period_ns=max(1.0, period_ns(end_ns(lambda name: rows[name]), step)),
        mean_ns=typical(latency, step),
        p50_ns=max(1, int(np.median(latency))),
        phase_means_ns={name: typical(phases[:, at], step) for at, name in enumerate(PHASES)},
        phase_p50_ns=dict(zip(PHASES, np.median(phases, axis=0).tolist(), strict=True)),
        producer_ns=typical(np.maximum(rows["sent"] - rows["taken"], 0), step),
        worker_ns=held,
        batch_fill=fill,
        cpu_ns={role: max(0, used.cpu_ns - used.spin_ns) / len(rows) for role, used in usage.items()},
    )


def period_ns(ends: Column, step: int = 1) -> float:
    """Time per completion, the median over about ten windows; of the whole where there are too few for that."""
    done = np.sort(ends)
    window = max(1, len(done) // _WINDOWS // step) * step
    marks = done[::window]
    if len(marks) < _WINDOWS // 2:
        return float(done[-1] - done[0]) / (len(done) - 1)
    return float(np.median(np.diff(marks))) / window


def typical(values: Column, step: int = 1) -> float:
    """The mean, but for hiccups: the median over about ten contiguous windows of their means."""
    window = max(1, len(values) // _WINDOWS // step) * step
    starts = np.arange(0, len(values) - window + 1, window)
    if len(starts) < _WINDOWS // 2:
        return float(values.mean())
    return float(np.median(np.add.reduceat(values[: starts[-1] + window], starts))) / window


def _workers(rows: Samples, step: int, *, batched: bool) -> tuple[float, float]:
    """How long a message kept its worker, and how many were in a batch.

    From asking for a message to asking for the next one the thread is the message's, but for what it waited
    until the message was sent, and for others that never came to fill the batch.
    """
    parts, counts, batches = [], [], 0
    for worker in np.unique(rows["worker"]):
        own = rows[(rows["worker"] == worker) & (rows["asked"] > 0)]
        if not len(own):
            continue
        own = own[np.argsort(own["asked"], kind="stable")]
        held = np.append(np.diff(own["asked"]), own["replied"][-1] - own["asked"][-1])
        idle = np.clip(np.minimum(own["sent"], own["received"]) - own["asked"], 0, held)
        last = np.append(own["started"][1:] != own["started"][:-1], True)
        if batched:
            unfilled = np.maximum(own["started"] - own["decoded"], 0)
            idle = np.where(last, np.minimum(held, idle + unfilled), idle)
        parts.append(typical(held - idle, step) * len(own))
        counts.append(len(own))
        batches += int(np.count_nonzero(last))
    return (sum(parts) / sum(counts), sum(counts) / batches) if batches else (0.0, 0.0)


def unloaded_ns(samples: Samples) -> float:
    """Mean way of a block's messages, waits for others left out; 0 where none arrived."""
    rows = samples[(samples["status"] == Status.DELIVERED) & ~samples["warmup"]]
    work = [at for at, name in enumerate(PHASES) if name not in WAITS]
    return float(phases_ns(rows)[:, work].sum(axis=1).mean()) if len(rows) else 0.0
