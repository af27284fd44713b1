"""Runs of live video and of bulk work whose truth is known: queues worked off by hand, without any engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from synthetic import MS, a_block, a_cell, a_run

from benchkit.records.run import Run
from benchkit.records.samples import SAMPLE, Samples, Status
from benchkit.records.seen import Traffic

POLICIES = ("block", "drop-oldest", "latest-only")


def queue(
    due: np.ndarray, service: np.ndarray, *, policy: str = "block", places: int = 4, workers: int = 1
) -> Samples:
    """What workers with a queue in front make of messages due then (int64 ns) that take so long each.

    `block` keeps all, `drop-oldest` the newest `places`, `latest-only` the newest one.
    """
    samples = np.zeros(len(due), SAMPLE)
    samples["seq"], samples["due"], samples["payload_bytes"] = np.arange(len(due)), due, 1000
    room = {"block": len(due) + 1, "drop-oldest": places, "latest-only": 1}[policy]
    free = np.full(workers, np.iinfo(np.int64).min)
    waiting: list[int] = []

    def work_until(moment: int) -> None:
        while waiting and max(free.min(), samples["due"][waiting[0]]) < moment:
            at = waiting.pop(0)
            who = int(free.argmin())
            begun = max(int(free[who]), int(due[at]))
            free[who] = begun + int(service[at])
            _stamp(samples, at, begun, int(free[who]), who)

    for at, moment in enumerate(due.tolist()):
        work_until(moment)
        waiting.append(at)
        while len(waiting) > room:
            gone = waiting.pop(0)
            samples["status"][gone], samples["taken"][gone] = Status.DROPPED, moment
    work_until(np.iinfo(np.int64).max)
    return samples


def _stamp(samples: Samples, at: int, begun: int, done: int, worker: int) -> None:
    for name in ("taken", "encoded", "sent", "received", "decoded", "started"):
        samples[name][at] = begun
    samples["asked"][at] = samples["due"][at]
    for name in ("finished", "replied", "returned"):
        samples[name][at] = done
    samples["status"][at], samples["worker"][at] = Status.DELIVERED, worker


def made(cells: list[Any], blocks: Any, rounds: int = 3, **block: Any) -> Run:
    """A run of these cells; `blocks(cell, rng)` makes the samples of one block, which begin at 1 s."""
    run = a_run(cells, rounds=0)
    parts: dict[str, list[Samples]] = {cell.id: [] for cell in cells}
    index = 0
    for round_ in range(rounds):
        for cell in cells:
            own = blocks(cell, np.random.default_rng(index))
            for name in own.dtype.names or ():
                if name in ("due", "taken", "encoded", "sent", "asked", "received", "decoded", "started",
                            "finished", "replied", "returned"):  # fmt: skip
                    own[name][own[name] != 0] += index * 3600 * 1000 * MS
            own["block"] = index
            parts[cell.id].append(own)
            run.blocks.append(a_block(cell, index, own, round_, traffic=_traffic(cell, own), **block))
            index += 1
    run.samples = {name: np.concatenate(each) for name, each in parts.items()}
    return run


def _traffic(cell: Any, own: Samples) -> Traffic | None:
    flow = cell.parameters.get("flow")
    dropped = int(np.count_nonzero(own["status"] == Status.DROPPED))
    return Traffic(drops={flow["policy"]: dropped} if dropped else {}) if flow else None


def policies(rounds: int = 4) -> Run:
    """Frames at 30/s into a stage that manages 20: what each policy makes of it, one of them under a deadline."""
    cells = [
        a_cell(
            f"shm/raw/camera/30ps/flow={policy}", group=f"camera/30ps/flow={policy}", load="30ps",
            parameters={"load": {"kind": "constant", "rate": 30.0}, "flow": {"policy": policy, "deadline": 0.25}},
        )
        for policy in POLICIES
    ]  # fmt: skip

    def block(cell: Any, rng: Generator) -> Samples:
        due = 1000 * MS + np.arange(150) * 33_333_333
        service = (50 * MS * np.exp(0.1 * rng.standard_normal(150))).astype(np.int64)
        return queue(due, service, policy=cell.parameters["flow"]["policy"])

    return made(cells, block, rounds, offered_per_s=30.0)


def overloaded_bulk(rounds: int = 3) -> Run:
    """Two bursts of images into one worker and into four."""
    cells = [
        a_cell(
            f"{name}/raw/images/burst", transport=name, group="images/burst", load="burst", arrival="mmpp",
            workers=workers, source="images", parameters={"load": {"kind": "mmpp", "rate": 40.0}, "workers": workers},
        )
        for name, workers in (("http", 1), ("redis-list", 4))
    ]  # fmt: skip

    def block(cell: Any, rng: Generator) -> Samples:
        due = np.sort(np.concatenate([rng.uniform(begin, begin + 1000 * MS, 60) for begin in (1e9, 6e9)]))
        service = (40 * MS * np.exp(0.2 * rng.standard_normal(120))).astype(np.int64)
        return queue(due.astype(np.int64), service, workers=cell.workers)

    return made(cells, block, rounds, offered_per_s=20.0)


def workers(
    counts: tuple[int, ...] = (1, 2, 4, 8),
    rounds: int = 4,
    sigma: float = 0.04,
    kappa: float = 0.01,
    noise: float = 0.02,
) -> Run:
    """A closed loop whose throughput follows the law with lambda = 100/s."""
    cells = [
        a_cell(
            f"http/raw/images/closed/workers={count}", transport="http", group=f"images/closed/workers={count}",
            load="closed", arrival="closed", workers=count, source="images",
            parameters={"load": {"kind": "closed", "in_flight": 16}, "workers": count},
        )
        for count in counts
    ]  # fmt: skip

    def block(cell: Any, rng: Generator) -> Samples:
        n = cell.workers
        per_s = (
            100.0 * n / (1 + sigma * (n - 1) + kappa * n * (n - 1)) * np.exp(noise * rng.standard_normal())
        )
        due = 1000 * MS + np.round(np.arange(200) * 1e9 / per_s).astype(np.int64)
        return queue(due, np.full(200, int(1e9 / per_s)))

    run = made(cells, block, rounds)
    run.blocks = [replace(block, offered_per_s=None) for block in run.blocks]
    return run
