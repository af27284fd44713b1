"""Blocks of a long run, made in columns."""

from __future__ import annotations

import numpy as np

from benchkit.records.run import Block, Cell, Run
from benchkit.records.samples import SAMPLE, STAMPS, Samples, Status
from benchkit.records.seen import Usage

CELL = Cell(
    id="shm/raw/sensors/100kps", group="sensors/100kps", transport="shm", codec="raw", stage="null", source="sensors",
    load="100kps", parameters={}, workers=1, replies=True, payload_bytes=256, wire_bytes=300, arrival="constant",
    delivery="at-most-once", durability="memory", ordering="fifo", zero_copy=True, lossy=False, path="memory",
)  # fmt: skip


def a_header() -> Run:
    return Run(
        started_utc="2026-11-22T20:17:53Z", duration_s=100.0, seed=1, quick=False, scenario={"name": "long"},
        environment={"cores": 4}, floor=None, placement={}, slo={}, cells=[CELL],
    )  # fmt: skip


def a_block(rng: np.random.Generator, index: int, count: int) -> tuple[Block, Samples]:
    """`count` messages, a hundredth of them warm-up, with the skew of real latencies in every phase."""
    samples = np.zeros(count, SAMPLE)
    samples["seq"] = np.arange(count) + index * count
    samples["block"], samples["payload_bytes"], samples["status"] = index, 256, Status.DELIVERED
    samples["warmup"][: count // 100] = True
    at = np.arange(count, dtype=np.int64) * 10_000 + (1 + index * count) * 10_000
    begin = int(at[0])
    for stamp in STAMPS:
        samples[stamp] = at
        at = at + rng.lognormal(7, 1, count).astype(np.int64)
    samples["asked"] = np.minimum(samples["asked"], samples["received"])
    usage = {role: Usage(count * 5000, 50_000_000) for role in ("producer", "stage")}
    return Block(CELL.id, index, index, begin, int(at[-1]), count, 1e5, usage=usage), samples
