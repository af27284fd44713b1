"""Runs whose truth is known: phases with given means, noise within blocks and between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator

from benchkit.records.run import Block, Cell, Floor, Run
from benchkit.records.samples import PHASES, SAMPLE, Samples, Status
from benchkit.records.seen import Usage

MS = 1_000_000
PHASE_US: dict[str, float] = {
    "lateness": 20, "encode": 300, "send": 200, "queue": 0, "transit": 400, "decode": 200, "batch": 0,
    "compute": 1500, "reply": 50, "return": 100,
}  # fmt: skip


def stamped(phases: np.ndarray, due: np.ndarray, *, replies: bool = True) -> Samples:
    """Samples whose phases (shape (n, 10), int64 ns) are exactly these."""
    samples = np.zeros(len(due), SAMPLE)
    ends = due[:, None] + np.cumsum(phases, axis=1)
    for at, name in enumerate(
        ("taken", "encoded", "sent", "asked", "received", "decoded", "started", "finished")
    ):
        samples[name] = ends[:, at]
    samples["due"] = due
    if replies:
        samples["replied"], samples["returned"] = ends[:, 8], ends[:, 9]
    samples["seq"] = np.arange(len(due))
    samples["status"] = Status.DELIVERED
    samples["payload_bytes"] = 1000
    return samples


def block_samples(
    rng: Generator,
    index: int,
    *,
    count: int = 100,
    warmup: int = 5,
    phase_us: Mapping[str, float] = PHASE_US,
    noise: float = 0.1,
    between: float = 0.0,
    interval_ns: int = 10 * MS,
    replies: bool = True,
) -> Samples:
    """One block: every phase is its mean times a lognormal of `noise`, the block times one of `between`."""
    means = np.array([phase_us.get(name, 0.0) for name in PHASES]) * 1e3
    scale = np.exp(noise * rng.standard_normal((count, 1)) + between * rng.standard_normal())
    phases = (means * scale).astype(np.int64)
    if not replies:
        phases[:, 8:] = 0
    due = (1 + index) * 1000 * interval_ns + np.arange(count) * interval_ns
    samples = stamped(phases, due, replies=replies)
    samples["block"] = index
    samples["warmup"][:warmup] = True
    return samples


def a_cell(cell_id: str = "shm/raw/camera/100ps", **changes: Any) -> Cell:
    transport, codec, *group = cell_id.split("/")
    cell = Cell(
        id=cell_id, group="/".join(group) or "camera", transport=transport, codec=codec, stage="onnx",
        source="camera",
        load="100ps", parameters={"transport": {"kind": transport, "depth": 8}}, workers=1, replies=True,
        payload_bytes=1000, wire_bytes=1128, arrival="constant", delivery="at-most-once",
        durability="process",
        ordering="fifo", zero_copy=False, lossy=False, path="in memory",
    )  # fmt: skip
    return replace(cell, **changes)


def a_block(cell: Cell, index: int, samples: Samples, round_: int = 0, **changes: Any) -> Block:
    own = samples[samples["block"] == index]
    block = Block(
        cell=cell.id,
        index=index,
        round=round_,
        started_ns=int(own["due"].min()),
        ended_ns=int(own["returned"].max()),
        scheduled=len(own),
        offered_per_s=100.0,
        usage={
            "producer": Usage(10 * MS, 50_000_000),
            "stage": Usage(200 * MS, 90_000_000, integrity_ns=1000),
        },
        warmup_messages=int(own["warmup"].sum()),
    )
    return replace(block, **changes)


def a_run(
    cells: Sequence[Cell] | None = None,
    *,
    rounds: int = 3,
    seed: int = 0,
    scale: Mapping[str, float] | None = None,
    **block: Any,
) -> Run:
    """Interleaved rounds of all cells; `scale` multiplies a cell's phases, `block` goes to block_samples."""
    rng = np.random.default_rng(seed)
    chosen = [a_cell()] if cells is None else list(cells)
    run = Run(
        started_utc="2026-11-22T20:17:53+00:00", duration_s=12.0, seed=seed, quick=False,
        scenario={"name": "dam"},
        environment={"cpu": "some", "cores": 8, "fingerprint": "00ff", "warnings": []},
        floor=Floor(30.0, 1e10, {"p50": 5.0, "p99": 20.0}, {"p50": 60.0, "p99": 200.0}), placement={}, slo={},
        cells=chosen,
    )  # fmt: skip
    parts: dict[str, list[Samples]] = {cell.id: [] for cell in chosen}
    for at, (round_, cell) in enumerate((round_, cell) for round_ in range(rounds) for cell in chosen):
        means = block.get("phase_us", PHASE_US)
        factor = (scale or {}).get(cell.id, 1.0)
        own = {
            **block,
            "phase_us": {name: mean * factor for name, mean in means.items()},
            "replies": cell.replies,
        }
        samples = block_samples(rng, at, **own)
        parts[cell.id].append(samples)
        run.blocks.append(a_block(cell, at, samples, round_))
    run.samples = {name: np.concatenate(each) for name, each in parts.items() if each}
    return run


def dam(rounds: int = 3) -> Run:
    """Like scenarios/dam.yaml: two payloads, several transports, something invalid of several kinds."""
    broker = {"delivery": "at-least-once", "durability": "memory"}
    cells = [
        a_cell("http/json-base64/camera-1080p/10ps", payload_bytes=6_220_800, durability="process"),
        a_cell("http/raw/camera-1080p/10ps", payload_bytes=6_220_800),
        a_cell("redis-list/raw/camera-1080p/10ps", payload_bytes=6_220_800, **broker),
        a_cell("redis-stream/raw/camera-1080p/10ps", payload_bytes=6_220_800, **broker),
        a_cell("shm/raw/camera-1080p/10ps", payload_bytes=6_220_800, zero_copy=True),
        a_cell("unix/raw/camera-1080p/10ps", payload_bytes=6_220_800),
        a_cell("redis-list/msgpack/sensors-144x12/200ps", payload_bytes=6912, **broker),
        a_cell("shm/raw/sensors-144x12/200ps", payload_bytes=6912, zero_copy=True),
        a_cell("redis-stream/raw/sensors-144x12/200ps", payload_bytes=6912, **broker),
    ]
    factors = (9.0, 2.0, 1.5, 1.52, 1.0, 1.01, 0.2, 0.1, 0.2)
    run = a_run(
        cells, rounds=rounds, scale={cell.id: factor for cell, factor in zip(cells, factors, strict=True)},
        count=200, between=0.01, interval_ns=40 * MS,
    )  # fmt: skip
    run.blocks = [
        replace(block, usage={**block.usage, "broker": Usage(30 * MS, 20_000_000)})
        if "redis" in block.cell
        else block
        for block in run.blocks
    ]
    late = run.samples["redis-stream/raw/sensors-144x12/200ps"]
    for name in late.dtype.names or ():
        if name in (
            "taken",
            "encoded",
            "sent",
            "asked",
            "received",
            "decoded",
            "started",
            "finished",
            "replied",
            "returned",
        ):
            late[name] += 5 * MS
    return run
