"""Searches for a capacity: which cell is measured next, at which rate, for how long.

The decisions are `benchkit.analysis.capacity`; here stands what turns a rate into a block. Cells that search
take turns in seeded random order, so that drift of the machine hits all alike; the n-th block of a level has
the same schedule in every cell and, but for its scale, at every level (common random numbers).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from benchkit.analysis.capacity import Asked, CapacitySearch
from benchkit.analysis.ledger import end_ns
from benchkit.analysis.levels import evidence, trusted
from benchkit.engine.task import Task
from benchkit.load.base import Arrival
from benchkit.load.closed import Closed
from benchkit.load.search import Capacity
from benchkit.records.run import Block, Search
from benchkit.records.samples import Samples, Status
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for

_OVERHEAD_S: Final = 0.15
"""What a block costs besides its messages."""
_LEAST_DRAIN_S: Final = 0.2
_DRAIN_LIMITS: Final = 1.5
"""The drain lasts so many times the longest latency promised: what is still away then is late for certain."""
_MOST_MESSAGES: Final = 200_000
"""Of one block."""
_FIRST: Final = 0.55
"""First rate over the saturated one: doubled once, it is a little more than can be."""
_MOST_FAILED: Final = 3
"""Blocks in which a party died, in all; then the search is given up."""

Ended = Literal["found", "time", "given-up", ""]


@dataclass(frozen=True, slots=True)
class Turn:
    """One block of a search."""

    round: int
    load: Arrival
    level_per_s: float | None
    """None for the closed loop that says where to begin."""
    duration_s: float
    warmup_s: float
    drain_s: float

    def task(self, task: Task, seed: int) -> Task:
        """The block's task with this turn's load and times."""
        return replace(
            task, load=self.load.config(), duration_s=self.duration_s, warmup_s=self.warmup_s, drain_s=self.drain_s,
            schedule_seed=seed_for(seed, Stream.SCHEDULE, self.round),
        )  # fmt: skip

    @property
    def expected_s(self) -> float:
        """About how long it takes, at most."""
        return self.warmup_s + self.duration_s + self.drain_s + _OVERHEAD_S


@dataclass(slots=True)
class _Seeker:
    """One cell's search."""

    load: Capacity
    cell: PlannedCell
    sought: Search
    longest_s: float
    machine: CapacitySearch | None = None
    blocks: Counter[float | None] = field(default_factory=Counter)
    spent_s: float = 0.0
    failed: int = 0

    def begin(self, start_per_s: float) -> None:
        sought = self.sought = replace(self.sought, start_per_s=float(f"{start_per_s:.5g}"))
        self.machine = CapacitySearch(
            Asked(sought.slo, sought.precision, sought.random, sought.start_per_s, sought.max_per_s)
        )


class Searches:
    """All searches of a plan; `next` and `record` take turns until every cell's search has ended."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._order = np.random.default_rng(seed_for(plan.seed, Stream.ORDER, 1))
        self._waiting: list[int] = []
        self._seekers: dict[int, _Seeker] = {}

    def add(self, index: int, cell: PlannedCell, sought: Search | None) -> None:
        """A cell of the plan, if it searches for its capacity."""
        if isinstance(cell.load, Capacity) and sought is not None:
            seeker = _Seeker(cell.load, cell, sought, self._plan.longest_s(cell.load))
            self._seekers[index] = seeker
            if cell.load.start is not None:
                seeker.begin(cell.load.start)

    @property
    def indices(self) -> list[int]:
        """The cells that search."""
        return list(self._seekers)

    @property
    def budget_s(self) -> float:
        """How long all of them may take."""
        return sum(seeker.longest_s for seeker in self._seekers.values())

    @property
    def spent_s(self) -> float:
        """How much of it is gone, ended ones in full."""
        return sum(
            seeker.longest_s if seeker.sought.ended else min(seeker.spent_s, seeker.longest_s)
            for seeker in self._seekers.values()
        )

    def sought(self, index: int) -> Search:
        """How the cell's search stands, for the record."""
        return self._seekers[index].sought

    def next(self) -> tuple[int, Turn] | None:
        """The next cell and its block; None when no search goes on."""
        while True:
            if not self._waiting:
                going = [index for index, seeker in self._seekers.items() if not seeker.sought.ended]
                if not going:
                    return None
                self._waiting = [int(index) for index in self._order.permutation(going)]
            index = self._waiting.pop()
            turn = self._turn(self._seekers[index])
            if turn is not None:
                return index, turn

    def record(self, index: int, block: Block | None, samples: Samples | None, took_s: float) -> None:
        """What the turn gave; no block where it could not be measured."""
        seeker = self._seekers[index]
        seeker.spent_s += took_s
        if block is None or samples is None:
            self._end(seeker, "given-up")
            return
        if not trusted(block):
            seeker.failed += 1
            if seeker.failed >= _MOST_FAILED:
                self._end(seeker, "given-up")
            return
        if block.level_per_s is not None:
            assert seeker.machine is not None  # noqa: S101  (a level is tried by a machine that has begun)
            seeker.machine.record(block.level_per_s, evidence(samples, block, seeker.sought.slo))
            return
        saturated = saturated_per_s(samples)
        if saturated is None:
            self._end(seeker, "given-up")
            return
        seeker.sought = replace(seeker.sought, saturated_per_s=saturated)
        seeker.begin(min(_FIRST * saturated, seeker.sought.max_per_s))

    def _end(self, seeker: _Seeker, how: Ended) -> None:
        seeker.sought = replace(seeker.sought, ended=how)

    def _turn(self, seeker: _Seeker) -> Turn | None:
        level = seeker.machine.next_level() if seeker.machine else None
        if seeker.machine and level is None:
            self._end(seeker, "found")
            return None
        turn = self._saturating(seeker) if level is None else self._level(seeker, level)
        if seeker.blocks and seeker.spent_s + turn.expected_s > seeker.longest_s:
            self._end(seeker, "time")
            return None
        seeker.blocks[level] += 1
        return turn

    def _saturating(self, seeker: _Seeker) -> Turn:
        """As many in flight as keep every worker busy while its next message is on its way."""
        cell, blocks = seeker.cell, self._plan.blocks
        places = 2 * cell.workers * cell.batch_size
        return Turn(0, Closed(in_flight=places), None, blocks.duration_s, blocks.warmup_s, blocks.drain_s)

    def _level(self, seeker: _Seeker, rate_per_s: float) -> Turn:
        blocks, load = self._plan.blocks, seeker.load
        assert seeker.machine is not None  # noqa: S101  (it has just named the level)
        whole_s = blocks.duration_s if self._plan.quick else load.block_s(blocks.duration_s)
        whole_s = max(whole_s, seeker.machine.asked.block_messages / rate_per_s)
        whole_s = min(whole_s, max(_MOST_MESSAGES / rate_per_s, 0.01))
        return Turn(
            round=seeker.blocks[rate_per_s],
            load=load.at(rate_per_s),
            level_per_s=rate_per_s,
            duration_s=whole_s,
            warmup_s=whole_s * blocks.warmup_s / blocks.duration_s,
            drain_s=max(_LEAST_DRAIN_S, _DRAIN_LIMITS * load.slo.longest_s),
        )


def saturated_per_s(samples: Samples) -> float | None:
    """Completions per second of a closed loop after warm-up; None with fewer than two."""
    done = samples[(samples["status"] == Status.DELIVERED) & ~samples["warmup"]]
    if len(done) < 2:
        return None
    ends = end_ns(lambda name: done[name])
    span_ns = int(ends.max() - ends.min())
    return (len(done) - 1) * 1e9 / span_ns if span_ns else None
