"""Everything that is counted from the stamps of one cell, in one pass over its columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.analysis.intervals import Interval, mean_interval, quantile_interval, weighted_mean_interval
from benchkit.analysis.ledger import Column, Selection, end_ns, phase_columns, select, select_scheduled
from benchkit.analysis.quantiles import PERCENTILES, median, quantiles
from benchkit.records.samples import PHASES, Samples

LATE_NS = 1_000_000
"""A message that leaves more than 1 ms after it was due is late."""
MOVING = frozenset({"send", "transit", "reply", "return"})
"""The phases that are the transport's."""
_PIECES = 5
"""Contiguous pieces of a block whose medians show how much medians vary by chance."""
_LEAST_PIECE = 7


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations in nanoseconds; `quantiles_ns` by name of PERCENTILES, None where the sample is small."""

    count: int
    mean_ns: float
    max_ns: int
    quantiles_ns: dict[str, int | None]


@dataclass(frozen=True, slots=True)
class BlockMeasure:
    """One block of one cell, delivered messages after warm-up."""

    index: int
    count: int
    p50_ns: int
    span_ns: int
    """The time that its messages stand for; see `_spans`."""
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

    @property
    def span_ns(self) -> int:
        """Measured time, all blocks together."""
        return sum(block.span_ns for block in self.blocks)

    def share(self, phase: str) -> float:
        """The phase's part of the mean latency, 0 to 1."""
        total = sum(each.mean_ns for each in self.phases.values())
        return self.phases[phase].mean_ns / total if total else 0.0


def measure(samples: Samples) -> Measure:
    """The figures of one cell from its samples (shape (n,), dtype SAMPLE)."""
    pace = _pace(select_scheduled(samples))
    chosen = select(samples)
    phases, block_means, together, moved = _phases(chosen)
    latency, service, span = _ends(chosen)
    residual = int(np.abs(together - latency).max(initial=0))
    del together
    moving = describe(moved)
    del moved
    by_block = chosen.by_block(latency)
    distribution = describe(latency)
    return Measure(
        latency=distribution,
        service=service,
        phases=phases,
        p50_ci_ns=_interval(by_block, distribution, "p50"),
        p99_ci_ns=_interval(by_block, distribution, "p99"),
        mean_ci_ns=mean_interval(by_block) if len(latency) else None,
        phase_mean_ci_ns=_phase_intervals(chosen, block_means),
        residual_ns=residual,
        blocks=tuple(
            BlockMeasure(
                number, len(values), median(values), int(span[at]), tuple(block_means[:, at]), _pieces(values)
            )
            for at, (number, values) in enumerate(zip(chosen.blocks, by_block, strict=True))
        ),
        pace=pace,
        delivered_bytes=int(chosen.column("payload_bytes").sum()),
        moved=moving,
        stage_busy_ns=_stage_busy_ns(chosen),
    )


def _ends(chosen: Selection) -> tuple[Column, Distribution, Column]:
    """Latency of each message, the distribution of service times, and each block's span."""
    end, due = end_ns(chosen.column), chosen.column("due")
    service = describe(end - chosen.column("taken"))
    return end - due, service, _spans(due, end, chosen)


def _spans(due: Column, end: Column, chosen: Selection) -> Column:
    """Of each block, from its first due moment to its last end, and to the due moment of a next message at least.

    n messages stand for n intervals and their due moments enclose n - 1: without the last one, fifteen messages
    at 30/s that are answered at once would count as 32/s.
    """
    first = _first(due, chosen)
    counts = np.diff(chosen.starts, append=len(chosen.rows))
    enclosed = _last(due, chosen) - first
    spans: Column = np.maximum(_last(end, chosen) - first, enclosed + enclosed // np.maximum(1, counts - 1))
    return spans


def _stage_busy_ns(chosen: Selection) -> int:
    """From `started` to the last `replied` of each batch, and every decoding before it."""
    worker, started = chosen.column("worker"), chosen.column("started")
    rows = np.flatnonzero(started != 0)
    rows = rows[np.lexsort((started[rows], worker[rows]))]
    if not len(rows):
        return 0
    worker, started = worker[rows], started[rows]
    done = np.maximum(chosen.column("replied"), chosen.column("finished"))[rows]
    first = np.flatnonzero(np.diff(started, prepend=-1) | np.diff(worker, prepend=-1))
    decoding = int((chosen.column("decoded")[rows] - chosen.column("received")[rows]).sum())
    return decoding + int((np.maximum.reduceat(done, first) - started[first]).sum())


def describe(values: Column) -> Distribution:
    """Count, mean, maximum and percentiles of a column, shape (n,)."""
    if not len(values):
        return Distribution(0, 0.0, 0, dict.fromkeys(PERCENTILES))
    return Distribution(len(values), float(values.mean()), int(values.max()), quantiles(values))


def _phases(chosen: Selection) -> tuple[dict[str, Distribution], npt.NDArray[np.float64], Column, Column]:
    """Each phase's distribution, its mean by block (10, blocks), and each message's phases together: all, MOVING."""
    together = np.zeros(len(chosen.rows), np.int64)
    moved = np.zeros(len(chosen.rows), np.int64)
    counts = np.diff(chosen.starts, append=len(chosen.rows))
    means = np.zeros((len(PHASES), len(chosen.blocks)))
    found = {}
    for at, (name, phase) in enumerate(zip(PHASES, phase_columns(chosen.column), strict=True)):
        found[name] = describe(phase)
        if len(chosen.blocks):
            means[at] = np.add.reduceat(phase, chosen.starts) / counts
        together += phase
        if name in MOVING:
            moved += phase
    return found, means, together, moved


def _phase_intervals(chosen: Selection, means: npt.NDArray[np.float64]) -> dict[str, Interval | None]:
    counts = np.diff(chosen.starts, append=len(chosen.rows)).astype(np.float64)
    return {name: weighted_mean_interval(means[at], counts) for at, name in enumerate(PHASES)}


def _interval(by_block: list[Column], pooled: Distribution, name: str) -> Interval | None:
    estimate = pooled.quantiles_ns[name]
    return None if estimate is None else quantile_interval(by_block, name, PERCENTILES[name], estimate)


def _pieces(values: Column) -> tuple[int, ...]:
    if len(values) < _PIECES * _LEAST_PIECE:
        return ()
    return tuple(median(piece) for piece in np.array_split(values, _PIECES))


def _first(column: Column, chosen: Selection) -> Column:
    return np.minimum.reduceat(column, chosen.starts) if len(chosen.blocks) else column


def _last(column: Column, chosen: Selection) -> Column:
    return np.maximum.reduceat(column, chosen.starts) if len(chosen.blocks) else column


def _pace(scheduled: Selection) -> Pace:
    due, taken = scheduled.column("due"), scheduled.column("taken")
    lateness = np.maximum(taken - due, 0)[taken != 0]
    late = int(np.count_nonzero(lateness > LATE_NS)) + len(due) - len(lateness)
    wanted_ns = asked = done_ns = done = 0
    for dues, takens in zip(scheduled.by_block(due), scheduled.by_block(taken), strict=True):
        gone = takens[takens != 0]
        if len(dues) > 1 and len(gone) > 1:
            wanted_ns, asked = wanted_ns + int(dues.max() - dues.min()), asked + len(dues) - 1
            done_ns, done = done_ns + int(gone.max() - gone.min()), done + len(gone) - 1
    return Pace(
        lateness=describe(lateness),
        count=len(due),
        late_share=late / len(due) if len(due) else 0.0,
        achieved_per_s=done / done_ns * 1e9 if done_ns else None,
        kept=(done / done_ns) / (asked / wanted_ns) if done_ns and wanted_ns else None,
    )
