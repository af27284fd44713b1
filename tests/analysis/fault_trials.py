"""Trials of faults whose truth is known: a queue with one server that is away for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchkit.records.faults import Trial
from benchkit.records.operations import Operations, blank

S = 1_000_000_000
START = 1_000 * S
AT_LEAST_ONCE = {"delivery": "at-least-once", "durability": "memory", "level": "", "ordering": "fifo"}
AT_MOST_ONCE = {"delivery": "at-most-once", "durability": "process", "level": "", "ordering": "fifo"}
KILL = {"kind": "kill", "party": "stage", "moment": "backlog"}


@dataclass(frozen=True)
class Simulated:
    trial: Trial
    operations: Operations
    steady_ns: int
    """When the first message since the last outage was due that met the queue as it would be without any."""
    most: int
    """The largest backlog after the injection."""


def served(due: np.ndarray, cost: np.ndarray, outages: Sequence[tuple[int, int]]) -> tuple[Any, Any]:
    """When each message is begun and done, in order, by one server that stands still in the outages."""
    started, done = np.zeros(len(due), np.int64), np.zeros(len(due), np.int64)
    free = 0
    for at, (when, takes) in enumerate(zip(due.tolist(), cost.tolist(), strict=True)):
        begin = max(free, when)
        for away, back in outages:
            if away <= begin < back:
                begin = back
        end = begin + takes
        for away, back in outages:
            if begin < away < end:
                end += back - away
        started[at], done[at], free = begin, end, end
    return started, done


def simulated(
    outages: Sequence[tuple[float, float]] = (),
    *,
    seed: int = 0,
    rate: float = 200.0,
    busy: float = 0.5,
    before_s: float = 3.0,
    after_s: float = 6.0,
    poisson: bool = False,
    **trial: Any,
) -> Simulated:
    """Outages as (seconds after the injection, seconds); the server is `busy` that share of the time."""
    rng = np.random.default_rng(seed)
    count = int(rate * (before_s + after_s))
    gaps = rng.exponential(1 / rate, count) if poisson else np.full(count, 1 / rate)
    due = START + np.cumsum(gaps * S).astype(np.int64)
    # Uniform, so that no service takes long by itself.
    cost = (rng.uniform(0.8, 1.2, count) * busy / rate * S).astype(np.int64)
    injected = START + int(before_s * S)
    away = [(injected + int(at * S), injected + int((at + long) * S)) for at, long in outages]
    started, done = served(due, cost, away)
    rows = blank(count)
    rows["seq"] = np.arange(count)
    rows["due"] = rows["taken"] = due
    rows["sent"] = rows["confirmed"] = due + 1000
    rows["received"] = rows["started"] = np.maximum(started, due + 2000)
    rows["finished"] = rows["acked"] = np.maximum(done, due + 3000)
    rows["deliveries"], rows["worker"] = 1, 0
    last = max((back for _, back in away), default=injected)
    _, undisturbed = served(due, cost, [])
    late = np.flatnonzero((due >= injected) & (done > undisturbed))
    until = int(due[late[-1]]) if len(late) else injected
    after = due[due >= injected]
    waiting = np.searchsorted(due, after, side="right") - np.searchsorted(done, after, side="right")
    made = Trial(
        number=1, cell="shm/raw", transport="shm", fault=KILL, moment={"asked": "backlog"}, seed=seed,
        from_ns=START, before_from_ns=START, injected_ns=injected, healed_ns=last, ended_ns=int(done.max()) + S,
        window_s=0.1, offered_per_s=rate, proof="killed, seen by waitpid", drained=True, capabilities=AT_LEAST_ONCE,
    )  # fmt: skip
    return Simulated(replace(made, **trial), rows, until, int(waiting.max(initial=0)))


def control(**options: Any) -> Simulated:
    """The same without a fault."""
    made = simulated((), **{"seed": 99, **options})
    plain = replace(
        made.trial,
        number=0,
        fault={},
        moment={},
        injected_ns=0,
        healed_ns=0,
        proof="",
        detections=(),
        deaths=(),
    )
    return replace(made, trial=plain)


def without(rows: Operations, *at: int) -> Operations:
    """The messages at these places were sent and never came."""
    changed = rows.copy()
    for name in ("received", "started", "finished", "acked", "returned", "deliveries", "replies"):
        changed[name][list(at)] = 0
    changed["worker"][list(at)] = -1
    return changed


def stranger(rows: Operations, seq: int, at_ns: int) -> Operations:
    """A delivery of a number that nobody sent."""
    odd = blank(1)
    odd["seq"], odd["received"], odd["started"], odd["finished"] = seq, at_ns, at_ns, at_ns
    odd["deliveries"], odd["worker"] = 1, 0
    return np.concatenate([rows, odd])
