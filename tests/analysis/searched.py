"""Searches on a stage that exists only as arithmetic, so its capacity is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from synthetic import a_cell, a_run

from benchkit.analysis.capacity import Asked, CapacitySearch
from benchkit.analysis.levels import evidence
from benchkit.load.search import Capacity
from benchkit.records.run import Block, Run, Search
from benchkit.records.samples import SAMPLE, Samples, Status

SCATTER_S = 2e-5


@dataclass(frozen=True)
class SimulatedStage:
    """One worker, first come first served; `stalls_per_s` of 15 ms on average each take it away."""

    service_s: float
    stalls_per_s: float = 0.0

    @property
    def capacity_per_s(self) -> float:
        """Of constant arrivals; the mean of |N(0, s)| is s sqrt(2 / pi)."""
        return 1 / (self.service_s + SCATTER_S * (2 / np.pi) ** 0.5)

    def services(self, rng: np.random.Generator, count: int, rate_per_s: float) -> np.ndarray:
        services = self.service_s + np.abs(rng.normal(0, SCATTER_S, count))
        stalled = rng.random(count) < self.stalls_per_s / rate_per_s
        return services + stalled * rng.exponential(0.015, count)

    def block(
        self,
        load: Capacity,
        rate_per_s: float,
        whole_s: float,
        seed: int,
        rng: np.random.Generator,
        index: int,
    ) -> tuple[Block, Samples]:
        """Lindley's recursion over one block that starts empty and is drained for 1.5 limits."""
        warmup_s = 0.2 * whole_s
        due = load.at(rate_per_s).offsets_ns(whole_s + warmup_s, seed) / 1e9
        services = self.services(rng, len(due), rate_per_s)
        done = np.cumsum(services)
        ends = np.maximum.accumulate(due - (done - services)) + done
        gave_up = due[-1] + 1.5 * load.slo.longest_s
        samples = np.zeros(len(due), SAMPLE)
        samples["seq"], samples["block"] = np.arange(len(due)), index
        samples["warmup"] = due < warmup_s
        began = 1_000_000_000 * (1 + 1000 * index)
        for name in ("due", "taken", "encoded", "sent"):
            samples[name] = began + due * 1e9
        samples["asked"] = samples["received"] = samples["decoded"] = np.maximum(
            samples["sent"], (began + (ends - services) * 1e9).astype(np.int64)
        )
        samples["started"] = samples["received"]
        for name in ("finished", "replied", "returned"):
            samples[name] = began + ends * 1e9
        samples["status"] = Status.DELIVERED
        late = ends > gave_up
        samples["status"][late] = Status.PENDING
        for name in ("asked", "received", "decoded", "started", "finished", "replied", "returned"):
            samples[name][late] = 0
        block = Block(
            "", index, 0, began, int(began + min(float(ends.max()), float(gave_up)) * 1e9), len(due), rate_per_s,
            drained=not late.any(), warmup_messages=int(samples["warmup"].sum()), level_per_s=rate_per_s,
        )  # fmt: skip
        return block, samples


def search(
    stage: SimulatedStage, load: Capacity, seed: int, *, longest_s: float = 1e9
) -> tuple[CapacitySearch, list]:
    """The whole search; the machine, and every block with its samples."""
    rng = np.random.default_rng(seed)
    start = load.start or float(f"{0.55 * rng.uniform(0.9, 1.0) / stage.service_s:.5g}")
    asked = Asked(load.slo.given(), load.precision, load.arrival == "poisson", start, load.max_rate)
    machine, tried, blocks, spent_s = CapacitySearch(asked), Counter(), [], 0.0
    while (rate := machine.next_level()) is not None and spent_s < longest_s:
        whole_s = max(load.block_s(1.0), asked.block_messages / rate)
        block, samples = stage.block(load, rate, whole_s, 1000 * seed + tried[rate], rng, len(blocks))
        tried[rate] += 1
        machine.record(rate, evidence(samples, block, asked.slo))
        blocks.append((block, samples))
        spent_s += 1.2 * whole_s
        assert len(blocks) < 1000
    return machine, blocks


def searched(*stages: SimulatedStage, load: Capacity, ended: str = "found") -> Run:
    """A run in which each stage, named after a transport, was searched for its capacity."""
    names = ("shm", "unix", "http", "inproc")
    group = f"sensors/{load.label()}"
    run = a_run([], rounds=0)
    run.cells = []
    for at, stage in enumerate(stages):
        machine, blocks = search(stage, load, at)
        sought = Search(
            "capacity", load.slo.given(), load.precision, load.arrival == "poisson", machine.asked.start_per_s,
            load.max_rate, 1 / stage.service_s, ended,
        )  # fmt: skip
        cell = a_cell(f"{names[at]}/raw/{group}", search=sought, arrival="capacity")
        run.cells.append(cell)
        offset = len(run.blocks)
        parts = []
        for block, samples in blocks:
            run.blocks.append(replace(block, cell=cell.id, index=block.index + offset))
            samples["block"] += offset
            parts.append(samples)
        run.samples[cell.id] = np.concatenate(parts)
    return run
