"""Everything that is counted from the stamps of one cell, strip by strip over its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchkit.analysis.intervals import Interval, mean_interval, quantile_interval, weighted_mean_interval
from benchkit.analysis.ledger import Column, select
from benchkit.analysis.pools import Distribution
from benchkit.analysis.quantiles import PERCENTILES, median, minimum_samples
from benchkit.analysis.strips import cut, layout
from benchkit.analysis.tally import (
    LATE_NS,
    Blocks,
    Busy,
    Paced,
    Tally,
    Worked,
    in_groups,
    latencies,
    remembering,
)
from benchkit.records.samples import PHASES, Samples

__all__ = ["LATE_NS", "BlockMeasure", "Distribution", "Measure", "Pace", "measure"]

_PIECES = 5
"""Contiguous pieces of a block whose medians show how much medians vary by chance."""
_LEAST_PIECE = 7


@dataclass(frozen=True, slots=True)
class BlockMeasure:
    """One block of one cell, delivered messages after warm-up."""

    index: int
    count: int
    p50_ns: int
    span_ns: int
    """The time that its messages stand for; see `Blocks.spans_ns`."""
    phase_means_ns: tuple[float, ...]
    piece_medians_ns: tuple[int, ...]
    """Medians of five contiguous pieces, empty when the block is too short."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether the messages left when they should."""

    lateness: Distribution
    count: int
    """Scheduled messages, warm-up excluded."""
    late_share: float
    """Share of the scheduled messages that left more than LATE_NS late, or never."""
    achieved_per_s: float | None
    """Rate at which the producer really turned to messages."""
    kept: float | None
    """That rate over the rate of the schedule as drawn; None when no block has two messages."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The figures of one cell."""

    latency: Distribution
    service: Distribution
    phases: dict[str, Distribution]
    p50_ci_ns: Interval | None
    p99_ci_ns: Interval | None
    mean_ci_ns: Interval | None
    phase_mean_ci_ns: dict[str, Interval | None]
    """Of each phase's mean; `queue` is the wait for the stage."""
    residual_ns: int
    """How far any message's phases miss its latency; 0 unless stamps run backwards."""
    blocks: tuple[BlockMeasure, ...]
    pace: Pace
    delivered_bytes: int
    moved: Distribution
    """What the transport does of each message's latency: `send`, `transit`, `reply` and `return` together."""
    stage_busy_ns: int
    """Decoding, computing and replying, all workers and blocks together; a batch counts once."""
    worked: Mapping[int, Worked] = field(default_factory=dict)
    """The same by worker."""
    fetch_ns: int | None = None
    """What receiving takes a worker when the message is already there; None where none had to wait for it."""
    leaving: Mapping[str, Distribution] = field(default_factory=dict)
    """The producer's own part of phases that hold those of several hops."""

    @property
    def span_ns(self) -> int:
        """Measured time, all blocks together."""
        return sum(block.span_ns for block in self.blocks)

    def of_producer(self, phase: str) -> Distribution:
        """A phase as far as it is the producer's: all of it, unless a pipeline's stages have it too."""
        return self.leaving.get(phase, self.phases[phase])

    def share(self, phase: str) -> float:
        """The phase's part of the mean latency, 0 to 1."""
        total = sum(each.mean_ns for each in self.phases.values())
        return self.phases[phase].mean_ns / total if total else 0.0


def measure(samples: Samples) -> Measure:
    """The figures of one cell from its samples (shape (n,), dtype SAMPLE).

    All are exact up to EXACT_MESSAGES; beyond, percentiles of the whole cell come from a histogram, and
    `Distribution.error` says how exact they are. Those of each block are exact always.
    """
    found = layout(samples)
    tally, paced, busy = Tally(len(samples)), Paced(len(samples)), Busy()
    for first, last in found.parts():
        for _, strip in cut(found.samples, first, last):
            paced.add(strip)
            chosen = select(strip)
            if len(chosen.rows):
                stamp = remembering(chosen)
                tally.add(chosen, stamp)
                busy.add(stamp)
        busy.end_block()
    blocks = tally.blocks()
    by_block = latencies(found, tally, blocks)
    latency = tally.latency.describe(keep=True)
    groups = in_groups(found, by_block, blocks, minimum_samples(PERCENTILES["p99"]))
    return Measure(
        latency=latency,
        service=tally.service.describe(),
        p50_ci_ns=_interval(groups, latency, "p50"),
        p99_ci_ns=_interval(groups, latency, "p99"),
        mean_ci_ns=mean_interval(by_block) if latency.count else None,
        phase_mean_ci_ns=_phase_intervals(blocks),
        phases={name: each.describe() for name, each in tally.phases.items()},
        residual_ns=tally.residual_ns,
        blocks=_blocks(blocks, by_block),
        pace=_pace(paced),
        delivered_bytes=tally.payload_bytes,
        moved=tally.moved.describe(),
        stage_busy_ns=busy.total_ns,
        worked=busy.worked(),
        fetch_ns=busy.fetch_ns(),
    )


def _blocks(blocks: Blocks, by_block: Sequence[Column]) -> tuple[BlockMeasure, ...]:
    means = (blocks.phase_sums_ns / np.maximum(1, blocks.counts)[:, None]).tolist()
    columns = zip(blocks.numbers.tolist(), blocks.spans_ns.tolist(), means, by_block, strict=True)
    return tuple(
        BlockMeasure(number, len(values), median(values), span, tuple(own), _pieces(values))
        for number, span, own, values in columns
    )


def _phase_intervals(blocks: Blocks) -> dict[str, Interval | None]:
    counts = blocks.counts.astype(np.float64)
    means = blocks.phase_sums_ns / np.maximum(1.0, counts)[:, None]
    return {name: weighted_mean_interval(means[:, at], counts) for at, name in enumerate(PHASES)}


def _interval(by_block: Sequence[Column], pooled: Distribution, name: str) -> Interval | None:
    estimate = pooled.quantiles_ns[name]
    return None if estimate is None else quantile_interval(by_block, name, PERCENTILES[name], estimate)


def _pieces(values: Column) -> tuple[int, ...]:
    if len(values) < _PIECES * _LEAST_PIECE:
        return ()
    return tuple(median(piece) for piece in np.array_split(values, _PIECES))


def _pace(paced: Paced) -> Pace:
    asked, done = paced.rates()
    return Pace(
        lateness=paced.lateness.describe(),
        count=paced.count,
        late_share=paced.late / paced.count if paced.count else 0.0,
        achieved_per_s=done * 1e9 if done else None,
        kept=done / asked if done and asked else None,
    )
