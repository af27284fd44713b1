"""Runs for charts: a sweep with a known crossover, and documents with everything that a chart can show."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from synthetic import MS, a_cell, a_run

from benchkit.analysis.document import document
from benchkit.records.run import Floor, Run
from benchkit.records.seen import Event

PAYLOADS = {"small": 1000, "middle": 64_000, "large": 256_000}
RATES = (50.0, 200.0)
WHAT_IF: dict[str, Any] = {
    "now": {"capacity_per_s": 40.0, "capacity_ci95": [39.0, 41.0], "blocks": 6},
    "predictions": [
        {"kind": "phase", "name": "compute", "change": "compute/2", "words": "compute twice as fast",
         "capacity_per_s": {"now": 40.0, "predicted": 76.0}, "latency_us": {"now": 26e3, "predicted": 14e3}},
        {"kind": "transport", "name": "shm", "change": "transport=shm", "words": "transport shm instead of redis-list",
         "capacity_per_s": {"now": 40.0, "predicted": 44.0}, "latency_us": {"now": 26e3, "predicted": 22e3}},
    ],
    "sensitivity": [
        {"phase": "compute", "mean_us": 20e3, "rounds": 6,
         "throughput": {"slope": 0.93, "ci95": [0.9, 0.96], "per_added": 1.01, "per_added_ci95": [0.98, 1.04]},
         "latency": {"slope": 1.3, "ci95": [1.1, 1.5]}},
        {"phase": "encode", "mean_us": 1e3, "rounds": 6, "throughput": None,
         "latency": {"slope": 0.1, "ci95": [-0.1, 0.3]}},
    ],
    "confirmed": [
        {"change": "transport=shm", "rounds": 6,
         "capacity_per_s": {"now": 40.0, "predicted": 44.0, "measured": 43.0, "ci95": [42.0, 45.0]}},
    ],
}  # fmt: skip


def swept(
    transports: tuple[str, ...] = ("shm", "unix", "redis-list"),
    rounds: int = 6,
    *,
    sizes: tuple[str, ...] = tuple(PAYLOADS),
    **block: Any,
) -> Run:
    """shm wins from 256 kB on and ties with unix below; redis-list is always behind."""
    cells, scale = [], {}
    for name, size in ((name, PAYLOADS[name]) for name in sizes):
        for rate in RATES:
            for transport in transports:
                load = f"{rate:g}-per-s"
                cell = a_cell(
                    f"{transport}/raw/{name}/{load}", transport=transport, payload_bytes=size, wire_bytes=size + 128,
                    source=name, load=load, has_broker="redis" in transport, floor="by-hand",
                    parameters={"load": {"kind": "constant", "rate": rate}, "source": {"kind": "sensors"}},
                )  # fmt: skip
                cells.append(cell)
                slow = {"shm": 1.0, "redis-list": 3.0}.get(transport, 1.6 if name == "large" else 1.0)
                scale[cell.id] = slow * size**0.3 / 10
    run = a_run(cells, rounds=rounds, scale=scale, **{"count": 60, "noise": 0.05, "between": 0.01, **block})
    run.floor = Floor(
        30.0, 1e10, {"p50": 5.0, "p99": 20.0}, {"p50": 60.0, "p99": 200.0},
        paths_us={"by-hand": {str(size + 128): {"exchange": size / 1000} for size in PAYLOADS.values()}},
    )  # fmt: skip
    return run


def full(run: Run) -> tuple[Run, dict[str, Any]]:
    """The run with events, and its document with answers to "what if"."""
    events = (
        Event(run.blocks[0].started_ns + 100 * MS, 3 * MS, "stage-0", "gc", "generation 2"),
        Event(run.blocks[0].started_ns + 200 * MS, MS, "broker", "broker", "forked"),
        Event(run.blocks[0].started_ns + 300 * MS, 0, "stage-0", "fault", "killed"),
    )
    run.blocks[0] = replace(run.blocks[0], events=events)
    whole = document(run)
    whole["cells"][0]["what_if"] = deepcopy(WHAT_IF)
    return run, whole
