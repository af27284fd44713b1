"""What a capacity search found: computed anew from its blocks and samples, so that a saved run can be judged again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from benchkit.analysis.capacity import CONFIRMED, Asked, CapacitySearch, Level
from benchkit.analysis.hop_figures import measured
from benchkit.analysis.hops import messages_of
from benchkit.analysis.levels import evidence, trusted
from benchkit.analysis.measure import Measure
from benchkit.analysis.verdict import OWNER, busy
from benchkit.records.run import Block, Cell, Search
from benchkit.records.samples import PHASES, Samples

_BUSY: Final = 0.85
_PUSHED_BACK: Final = 0.5
_CLIFF_FAILED: Final = 0.5

Edge = Literal["cliff", "slope"]


@dataclass(frozen=True, slots=True)
class Step:
    """One level of the search: a point of the latency-throughput curve."""

    level: Level
    blocks: tuple[Block, ...]
    figures: Measure
    goodput: float
    """Share of the scheduled messages that came within the longest limit; failures are in the denominator."""

    @property
    def kept(self) -> bool:
        """It keeps the promise, as far as the evidence goes."""
        return self.level.likely == "kept"


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of one cell's search."""

    sought: Search
    steps: tuple[Step, ...]
    """By rate."""
    answer: Step | None
    """The highest level kept; None when none is."""
    above: Step | None
    """The lowest level broken; None when none is."""
    low_per_s: float | None
    """The highest rate that is kept at the confidence of a confirmation, not above the answer."""
    high_per_s: float | None
    """The lowest rate that is broken at that confidence, not below the answer."""
    limited_by: str
    """Of the level just above: `stage`, `producer`, `link`, `broker`; `none` where nothing broke."""

    @property
    def shown(self) -> Step | None:
        """The level whose messages are the cell's: the answer, else the slowest one."""
        return self.answer or (self.steps[0] if self.steps else None)

    @property
    def none_keeps(self) -> bool:
        """The search came to its end and no level keeps the promise."""
        return bool(self.steps) and self.answer is None and self.sought.ended == "found"

    @property
    def edge(self) -> Edge | None:
        """How the promise breaks just above the answer.

        A cliff: the queue grows there as long as the load lasts, or more than half of the messages fail. A
        slope: the load is still carried, only later than promised.
        """
        if self.above is None or self.answer is None:
            return None
        return "cliff" if self.above.level.unsustained or self.above.goodput < _CLIFF_FAILED else "slope"

    @property
    def smallest_s(self) -> float | None:
        """The smallest latency of any message of any level."""
        seen = [block.smallest_s for step in self.steps for block in step.level.blocks if block.delivered]
        return min(seen, default=None)


def found(cell: Cell, blocks: Sequence[Block], samples: Samples) -> Found | None:
    """The answer of a cell that searched for its capacity; None for any other."""
    sought = cell.search
    if sought is None or sought.kind != "capacity":
        return None
    machine = CapacitySearch(
        Asked(sought.slo, sought.precision, sought.random, sought.start_per_s, sought.max_per_s)
    )
    tried: dict[float, list[Block]] = {}
    whole = messages_of(cell, samples)
    for block in blocks:
        if block.level_per_s is not None and trusted(block):
            own = whole[whole["block"] == block.index]
            machine.record(block.level_per_s, evidence(own, block, sought.slo))
            tried.setdefault(block.level_per_s, []).append(block)
    steps = tuple(_step(cell, machine.levels[rate], tried[rate], samples, sought) for rate in sorted(tried))
    by_rate = {step.level.rate_per_s: step for step in steps}
    kept, broken = machine.bracket()
    answer = by_rate[kept.rate_per_s] if kept else None
    above = by_rate[broken.rate_per_s] if broken else None
    low, high = _interval(machine, kept)
    limit = _limited_by(above or steps[0], cell) if above else "none"
    return Found(sought, steps, answer, above, low, high, limit)


def _step(cell: Cell, level: Level, blocks: Sequence[Block], samples: Samples, sought: Search) -> Step:
    return Step(level, tuple(blocks), measured(cell, of_blocks(samples, blocks)), _goodput(level, sought))


def of_blocks(samples: Samples, blocks: Sequence[Block]) -> Samples:
    """The rows of some blocks."""
    return samples[np.isin(samples["block"], [block.index for block in blocks])]


def _goodput(level: Level, sought: Search) -> float:
    limits = {name: limit for name, limit in sought.slo.items() if name != "loss"}
    scheduled = sum(block.messages for block in level.blocks)
    longest = max(limits, key=lambda name: limits[name], default=None)
    failed = sum(block.failed if longest is None else block.late[longest] for block in level.blocks)
    return 1 - failed / scheduled if scheduled else 0.0


def _interval(machine: CapacitySearch, kept: Level | None) -> tuple[float | None, float | None]:
    """The nearest levels around the answer that are decided at the confidence of a confirmation."""
    sure = {rate: level.decided(CONFIRMED) for rate, level in machine.levels.items()}
    answer = kept.rate_per_s if kept else 0.0
    low = max((rate for rate, said in sure.items() if said == "kept" and rate <= answer), default=None)
    high = min((rate for rate, said in sure.items() if said == "broken" and rate > answer), default=None)
    return low, high


def _limited_by(step: Step, cell: Cell) -> str:
    """Whose time it is that runs out: a party that works all the time, else the one that holds the largest phase.

    A stage that makes the transport push back is the limit and not the transport; messages that leave late
    while nobody pushes back are the producer's.
    """
    figures = step.figures
    if not figures.latency.count:
        return "none"
    load = busy(figures, cell.workers, None)
    if load.stage >= _BUSY or (load.send >= _PUSHED_BACK and load.stage >= _PUSHED_BACK):
        return "stage"
    largest = max(PHASES, key=figures.share)
    owner = OWNER[largest]
    if largest == "lateness" and load.send >= max(_PUSHED_BACK, load.encode):
        owner = "carrier"
    if owner == "carrier":
        owner = "broker" if cell.has_broker else "link"
    return owner


def as_document(answer: Found) -> dict[str, Any]:
    """The `capacity` of a cell of run.json; rates per second, latencies in microseconds."""
    sought = answer.sought
    smallest = answer.smallest_s
    return {
        "rate_per_s": answer.answer.level.rate_per_s if answer.answer else None,
        "interval": [answer.low_per_s, answer.high_per_s],
        "slo": dict(sought.slo),
        "precision": sought.precision,
        "reached": _reached(answer),
        "ended": sought.ended,
        "edge": _edge(answer),
        "limited_by": answer.limited_by,
        "saturated_per_s": sought.saturated_per_s,
        "smallest_us": None if smallest is None else smallest * 1e6,
        "blocks": sum(len(step.blocks) for step in answer.steps),
        "levels": [_level(step) for step in answer.steps],
    }


def _reached(answer: Found) -> bool:
    """Both ends are confirmed and as close as was asked."""
    low, high = answer.low_per_s, answer.high_per_s
    return low is not None and high is not None and high <= low * (1 + answer.sought.precision)


def _edge(answer: Found) -> dict[str, Any] | None:
    """How goodput and p99 change from the answer to just above it."""
    if answer.edge is None or answer.answer is None or answer.above is None:
        return None
    ends = (answer.answer, answer.above)
    return {
        "kind": answer.edge,
        "rates_per_s": [step.level.rate_per_s for step in ends],
        "goodput": [step.goodput for step in ends],
        "p99_us": [_us(step.figures.latency.quantiles_ns["p99"]) for step in ends],
        "growth": [_growth(step.level) for step in ends],
    }


def _level(step: Step) -> dict[str, Any]:
    figures, level = step.figures, step.level
    latency: Mapping[str, int | None] = figures.latency.quantiles_ns
    seconds = figures.span_ns / 1e9
    return {
        "rate_per_s": level.rate_per_s,
        "blocks": len(step.blocks),
        "scheduled": sum(block.messages for block in level.blocks),
        "failed": sum(block.failed for block in level.blocks),
        "delivered_per_s": figures.latency.count / seconds if seconds > 0 else 0.0,
        "goodput": step.goodput,
        "p50_us": _us(latency["p50"]),
        "p90_us": _us(latency["p90"]),
        "p99_us": _us(latency["p99"]),
        "growth": _growth(level),
        "verdict": level.likely,
        "confirmed": level.sure,
        "broken_by": level.broken_by if not step.kept else [],
    }


def _growth(level: Level) -> float:
    """Median over the blocks: how many seconds latency rose in a second."""
    return float(np.median([block.growth for block in level.blocks]))


def _us(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e3
