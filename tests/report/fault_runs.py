"""A run whose fault trials have known outcomes: kept, kept with loss, broken, undecided, invalid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fault_trials import AT_LEAST_ONCE, AT_MOST_ONCE, S, Simulated, control, simulated, without
from synthetic import dam

from benchkit.records.faults import Trial, Trials
from benchkit.records.operations import Operations
from benchkit.records.run import Run

CELLS = {
    "shm/raw": ("shm", AT_LEAST_ONCE),
    "redis-stream/raw": ("redis-stream", {**AT_LEAST_ONCE, "level": "no persistence"}),
    "rabbitmq/raw": ("rabbitmq", {**AT_LEAST_ONCE, "durability": "disk", "level": "confirms"}),
    "unix/raw": ("unix", AT_MOST_ONCE),
}
FAULTS = (
    {"kind": "kill", "party": "stage"},
    {"kind": "stop", "party": "stage"},
    {"kind": "kill", "party": "broker"},
)
MOMENTS = ("idle", "backlog")


def trials(seeds: int = 2) -> Trials:
    """For every cell a control, and of each fault and moment `seeds` trials."""
    made: list[tuple[Trial, Operations]] = []
    for cell, (transport, declared) in CELLS.items():
        made.append(_kept(control(), len(made), cell=cell, transport=transport, capabilities=declared))
        for fault in FAULTS:
            for moment in MOMENTS:
                for seed in range(seeds):
                    made.append(_one(len(made), cell, transport, declared, {**fault, "moment": moment}, seed))
    held = {trial.number: rows for trial, rows in made}
    return Trials(tuple(trial for trial, _ in made), lambda trial: held[trial.number])


def _kept(found: Simulated, number: int, **changes: object) -> tuple[Trial, Operations]:
    return replace(found.trial, number=number, **changes), found.operations  # type: ignore[arg-type]  # its fields


def _one(
    number: int, cell: str, transport: str, declared: dict[str, str], fault: dict[str, str], seed: int
) -> tuple[Trial, Operations]:
    away = 0.4 + 0.3 * len(transport) / 10 + 0.1 * seed
    found = simulated([(0.0, away)], seed=seed, before_s=1.0, after_s=3.0)
    injected = found.trial.injected_ns
    trial, rows = _kept(
        found, number, cell=cell, transport=transport, capabilities=declared, fault=fault, seed=seed,
        moment={"asked": fault["moment"]},
        detections=({"by": "supervisor", "how": "exit", "at_ns": injected + S // 50},),
    )  # fmt: skip
    if fault["kind"] == "kill":
        party = "stage-0" if fault["party"] == "stage" else "broker"
        trial = replace(
            trial,
            deaths=({"party": party, "at_ns": injected + 1000, "how": "SIGKILL"},),
            restarts=({"party": party, "at_ns": injected + S // 10, "ready_ns": trial.healed_ns},),
        )
    caught = np.flatnonzero(rows["taken"] >= injected)[1:4].tolist()
    if transport == "unix" and fault["kind"] == "kill":
        rows = without(rows, *caught)
    if transport == "redis-stream" and fault["party"] == "broker":
        rows = without(rows, *caught)
    if transport == "rabbitmq" and fault["party"] == "broker":
        rows = without(rows, caught[0])  # what a disk should have kept
    if transport == "shm" and fault["party"] == "broker":
        trial = replace(trial, proof="", deaths=())  # there is none to kill
    if transport == "shm" and fault["kind"] == "stop" and fault["moment"] == "backlog":
        trial, rows = replace(trial, drained=False), without(rows, caught[0])
    return trial, rows


def faulty(seeds: int = 2) -> Run:
    """The dam's run, and all those trials beside it."""
    run = dam()
    run.faults = trials(seeds)
    return run
