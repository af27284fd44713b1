"""Queues built from real processes, beside what their waits must be by the recursion and by theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from queueing import Floats, Service, mean_wait, starts, wait_quantile
from real import SEED, cell, delivered

from benchkit.load.poisson import Poisson
from benchkit.records.run import Run
from benchkit.records.samples import Samples
from benchkit.scenario.plan import Blocks, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.stages.synthetic import Synthetic, service_times_ns

SERVICE_S = 5e-3


@dataclass(frozen=True, slots=True)
class System:
    """One queue; `load` is the utilisation of each server that the drawn service times alone would make."""

    name: str
    service: Service
    workers: int
    load: float
    busy: str = "sleep"

    @property
    def id(self) -> str:
        return f"{self.name} at {self.load} ({self.busy})"

    @property
    def stage(self) -> Synthetic:
        return Synthetic(service=SERVICE_S, distribution=self.service, busy=self.busy)

    @property
    def arrivals(self) -> Poisson:
        return Poisson(rate=self.load * self.workers / SERVICE_S)

    def cell(self) -> PlannedCell:
        return cell(self.id, self.stage, self.arrivals, workers=self.workers)


@dataclass(frozen=True, slots=True)
class Observed:
    """One system's run, block by block in the order of sequence numbers; times in seconds."""

    system: System
    blocks: Blocks
    due: list[Floats]
    """From each block's beginning."""
    scheduled: list[Floats]
    started: list[Floats]
    sent: list[Floats]
    compute: list[Floats]
    drawn: list[Floats]
    """The service time that the seed gives each message."""
    occupied: list[Floats]
    """How long each message really kept its worker from the next one."""
    cycle_s: float
    """What a busy worker needs for a message beside its service: reply, acknowledge, verify, receive, decode."""
    path_s: float
    """From due to started where the worker was waiting for it."""
    way_s: float
    """From sent to started, likewise."""

    def predicted(self) -> list[Floats]:
        """When each message must start: the recursion on this very schedule and these very service times."""
        pairs = zip(self.scheduled, self.drawn, strict=True)
        return [starts(due + self.path_s, s + self.cycle_s, self.system.workers) for due, s in pairs]

    def explained(self) -> list[Floats]:
        """Likewise by the times that sending and serving really took: what the machine did to the parties."""
        pairs = zip(self.sent, self.occupied, strict=True)
        return [starts(sent + self.way_s, s, self.system.workers) for sent, s in pairs]

    def earliest(self) -> list[Floats]:
        """Before which no message can start, however fast everything else is."""
        pairs = zip(self.scheduled, self.drawn, strict=True)
        return [starts(due, s, self.system.workers) for due, s in pairs]

    def waits(self, started: Sequence[Floats]) -> Floats:
        """Waits of the measured part (what was due after the warm-up), without the path."""
        pairs = zip(self.scheduled, started, strict=True)
        return np.concatenate([(s - due)[due >= self.blocks.warmup_s] for due, s in pairs]) - self.path_s


def observe(run: Run, systems: Sequence[System], blocks: Blocks) -> list[Observed]:
    """Every system of the run."""
    drawn = _drawn_s(run, systems)
    return [_observe(run, system, blocks, drawn[system.id]) for system in systems]


def _observe(run: Run, system: System, blocks: Blocks, drawn: Floats) -> Observed:
    samples = delivered(run.samples[system.id])
    own = [block for block in run.blocks if block.cell == system.id]
    pieces = [samples["block"] == block.index for block in own]
    busy = [_busy(samples[piece], drawn[piece]) for piece in pieces]
    begins = [block.started_ns for block in own]
    seconds = blocks.warmup_s + blocks.duration_s
    seeds = [seed_for(SEED, Stream.SCHEDULE, block.round) for block in own]

    def since_begin(name: str) -> list[Floats]:
        return [(samples[name][piece] - begin) / 1e9 for piece, begin in zip(pieces, begins, strict=True)]

    return Observed(
        system=system,
        blocks=blocks,
        due=since_begin("due"),
        scheduled=[system.arrivals.offsets_ns(seconds, seed) / 1e9 for seed in seeds],
        started=since_begin("started"),
        compute=[(samples["finished"] - samples["started"])[piece] / 1e9 for piece in pieces],
        drawn=[drawn[piece] for piece in pieces],
        sent=since_begin("sent"),
        occupied=[each.occupied for each in busy],
        cycle_s=_mean(np.concatenate([each.over for each in busy])),
        path_s=_mean(np.concatenate([each.path for each in busy])),
        way_s=_mean(np.concatenate([each.way for each in busy])),
    )


def _drawn_s(run: Run, systems: Sequence[System]) -> Mapping[str, Floats]:
    """Service times by the seeds alone: a worker draws them in its order, cells with equal stages in turn."""
    found = {system.id: np.zeros(len(run.samples[system.id])) for system in systems}
    for stage in {system.stage for system in systems}:
        alike = [system.id for system in systems if system.stage == stage]
        rows = [
            (int(row["worker"]), int(row["started"]), name, at)
            for name in alike
            for at, row in enumerate(run.samples[name])
        ]
        for worker in {row[0] for row in rows}:
            seed = seed_for(seed_for(SEED, Stream.STAGE), Stream.STAGE, worker)
            own = sorted(row[1:] for row in rows if row[0] == worker)
            times_ns = islice(service_times_ns(stage, seed), len(own))
            for (_, name, at), drawn_ns in zip(own, times_ns, strict=True):
                found[name][at] = drawn_ns / 1e9
    return found


@dataclass(slots=True)
class _Busy:
    """One block's workers; times in seconds."""

    occupied: Floats
    over: Floats
    """Where a next message waited: how much longer than its service each message occupied the worker."""
    path: Floats
    way: Floats
    """Of messages that a worker was waiting for."""


def _mean(values: Floats) -> float:
    """Not a number where the machine left nothing to average: what follows from it is then none either."""
    return float(values.mean()) if len(values) else np.nan


def _busy(samples: Samples, drawn: Floats) -> _Busy:
    occupied = np.zeros(len(samples))
    over, path, way = [], [], []
    for worker in np.unique(samples["worker"]):
        own = np.flatnonzero(samples["worker"] == worker)
        rows = samples[own]
        waited = rows["asked"][1:] > rows["sent"][1:]
        took = np.diff(rows["started"]) / 1e9
        compute = (rows["finished"] - rows["started"]) / 1e9
        between = _mean((took - compute[:-1])[waited])
        occupied[own] = compute + between
        occupied[own[:-1][waited]] = took[waited]
        over.append((took - drawn[own][:-1])[waited])
        path.append(((rows["started"] - rows["due"]) / 1e9)[1:][~waited])
        way.append(((rows["started"] - rows["sent"]) / 1e9)[1:][~waited])
    return _Busy(occupied, *map(np.concatenate, (over, path, way)))


@dataclass(frozen=True, slots=True)
class Chance:
    """What runs of this design give by chance, as theory has them: blocks that start empty, count given."""

    mean: tuple[float, float]
    tail: tuple[float, float]


def by_chance(seen: Observed, p: float, replications: int, level: float) -> Chance:
    """Intervals of probability `level` for the mean wait and its quantile `p`, over fresh seeds."""
    system, blocks = seen.system, seen.blocks
    seconds, columns = blocks.warmup_s + blocks.duration_s, replications * blocks.rounds
    due = np.array([system.arrivals.offsets_ns(seconds, seed) / 1e9 for seed in range(columns)]).T
    services = np.full(due.shape, SERVICE_S)
    if system.service == "exponential":
        services = np.random.default_rng(3).exponential(SERVICE_S, due.shape)
    waits = starts(due, services + seen.cycle_s, system.workers) - due
    waits[due < blocks.warmup_s] = np.nan
    pooled = waits.T.reshape(replications, -1)
    tails = (1 - level) / 2
    means, tail = np.nanmean(pooled, axis=1), np.nanquantile(pooled, p, axis=1, method="higher")
    ends = [np.quantile(each, [tails, 1 - tails]) for each in (means, tail)]
    return Chance((float(ends[0][0]), float(ends[0][1])), (float(ends[1][0]), float(ends[1][1])))


def in_the_long_run(seen: Observed, p: float) -> tuple[float, float]:
    """Mean wait and its quantile `p` by the closed forms, the overhead counted as service."""
    system, mean = seen.system, SERVICE_S + seen.cycle_s
    rate = system.arrivals.rate
    variance = SERVICE_S**2 if system.service == "exponential" else 0.0
    return (
        mean_wait(rate, mean, variance, system.workers),
        wait_quantile(p, rate, mean, system.service, system.workers),
    )
