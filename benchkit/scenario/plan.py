"""A plan: the cells of a scenario and the order in which their blocks are run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from benchkit.alerts.options import AlertOptions
from benchkit.flow.options import FlowOptions
from benchkit.link.options import LinkOptions
from benchkit.load.base import Arrival
from benchkit.load.search import Capacity
from benchkit.scenario.hops import Pipeline
from benchkit.scenario.model import Faulting, WhatIfOptions
from benchkit.sources.base import Source
from benchkit.stages.base import Stage
from benchkit.tensors.codecs.base import Codec
from benchkit.transports.base import Transport

QUICK_SEARCH_S: Final = 10.0
"""What `--quick` leaves of a search."""


GATE_RUN_S: Final = 1.0
"""Measured part of a gate's run, where the scenario does not say: 20 blocks of two then stay below two minutes."""


@dataclass(frozen=True, slots=True)
class PlannedHop:
    """One stage of a pipeline and the way to it, the cell's transport and codec filled in."""

    name: str
    after: int
    """Number of the hop whose stage feeds it; -1: the producer."""
    stage: Stage
    workers: int
    batch_size: int
    batch_delay_s: float
    transport: Transport
    codec: Codec


def planned_hops(pipeline: Pipeline, transport: Transport, codec: Codec) -> tuple[PlannedHop, ...]:
    """The hops of a cell, each after the one that feeds it; none where it has one stage."""
    number = {hop.name: at for at, hop in enumerate(pipeline.pipeline)}
    return tuple(
        PlannedHop(
            hop.name, number.get(hop.after, -1), hop.stage, hop.workers, hop.batch_size, hop.batch_delay_s,
            hop.transport or transport, hop.codec or codec,
        )
        for hop in pipeline.pipeline
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One combination to measure, every option validated."""

    id: str
    """`<transport>/<codec>/<source>/<load>` and what else was swept; unique in the plan, safe in a path."""
    group: str
    """`<source>/<load>...`: everything but transport, codec (and what is swept inside them) and traffic control."""
    source: Source
    codec: Codec
    transport: Transport
    stage: Stage
    load: Arrival
    workers: int
    batch_size: int
    batch_delay_s: float
    replies: bool
    producers: int = 1
    link: LinkOptions | None = None
    """What stands between the parties; None: nothing."""
    link_seed: int = 0
    flow: FlowOptions | None = None
    """How the producers' traffic is controlled; None: messages go straight to the transport."""
    hops: tuple[PlannedHop, ...] = ()
    """Of a pipeline; its first one is what `stage`, `workers` and `batch_size` say. None: one stage."""

    @property
    def transports(self) -> tuple[Transport, ...]:
        """Of all its hops, the first one's first."""
        return (self.transport, *(hop.transport for hop in self.hops[1:]))


@dataclass(frozen=True, slots=True)
class Blocks:
    """How long and how often each cell is measured."""

    rounds: int
    duration_s: float
    warmup_s: float
    """Messages due within it are sent and kept, marked as warm-up, and counted in no statistic."""
    drain_s: float
    """How long after the last due moment messages may still be sent and answered."""
    warmup_max_s: float = 0.0
    """Within it a change-point test may find that warm-up lasted longer than `warmup_s`."""
    soak_s: float | None = None
    """The run ends with the first whole round after this time; None where `rounds` says when."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How the plan's cells are compared with those of another build."""

    blocks: int
    """Runs of each side, at most."""
    duration_s: float
    """Measured part of a run, each cell."""
    deltas: Mapping[str, Mapping[str, float | None]]
    """By cell id and metric: what is still the same, as a share; None where it is not gated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the engine runs."""

    name: str
    seed: int
    quick: bool
    cells: tuple[PlannedCell, ...]
    order: Iterable[int]
    """Indices into `cells`, one entry a block: every round holds each cell once, shuffled by the seed."""
    blocks: Blocks
    checksum_every: int
    """Every how many messages the receiver checks every byte; the fingerprint is always checked."""
    check_replies: bool
    on_error: str
    """`continue` or `stop`: what a stage's exception does to its block."""
    slo: dict[str, float]
    resolved: dict[str, object]
    """The scenario as plain data, defaults filled in, secrets redacted: for the record."""
    what_if: WhatIfOptions | None = None
    gate: Gate | None = None
    """Trials after the blocks; None: none."""
    budgets: tuple[str, ...] = ()
    """Promises beside `slo`, each as benchkit.budgets reads it."""
    faulting: Faulting | None = None
    """None: nothing goes wrong on purpose."""
    alerts: AlertOptions | None = None
    """Rules that are evaluated while the blocks are measured; None: none are."""

    @property
    def expected_s(self) -> float:
        """About how long it takes: blocks, warm-up, and what starting and preparing was seen to cost."""
        trials_s = self.what_if.longest if self.what_if else 0.0
        trials_s += self.faulting.expected_s(len(self.cells)) if self.faulting else 0.0
        if self.blocks.soak_s is not None:
            return 3.0 + self.blocks.soak_s + trials_s
        per_block = self.blocks.duration_s + self.blocks.warmup_s + 0.15
        return 3.0 + (self.total or 0) * per_block + self.searching_s + trials_s

    @property
    def interleaved(self) -> int:
        """How many cells are measured in rounds; the others search."""
        return sum(not isinstance(cell.load, Capacity) for cell in self.cells)

    @property
    def total(self) -> int | None:
        """How many blocks the rounds have; None for a soak, which ends by the clock."""
        return None if self.blocks.soak_s is not None else self.blocks.rounds * self.interleaved

    @property
    def searching_s(self) -> float:
        """What the searches take at most."""
        return sum(self.longest_s(cell.load) for cell in self.cells if isinstance(cell.load, Capacity))

    def longest_s(self, load: Capacity) -> float:
        """How long a cell may search."""
        return min(load.longest, QUICK_SEARCH_S) if self.quick else load.longest
