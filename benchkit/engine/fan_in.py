"""Several producers of one block: what they are called, when they begin, and their results taken together.

The block's one schedule is dealt out (benchkit.load.share), so together they send exactly what one would. Each
reports columns of its own; `together` makes one result of them, as if one producer had sent it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchkit.engine.join import Columns, producer_columns
from benchkit.engine.task import Task
from benchkit.transports.base import Address

START_LEAD_NS = 20_000_000
"""From the runner's decision to start several producers to their first due moment: time to tell them all."""

_SUMS = (
    "outstanding", "warmup_messages", "starved", "cpu_ns", "pacing_cpu_ns", "unexpected", "duplicated",
    "checked_replies", "wrong_replies", "malformed",
    "spin_ns", "turned", "seen_in_flight",
)  # fmt: skip
_LARGEST = ("ended_ns", "last_seen_ns", "peak_rss_bytes", "rss_bytes")


def role(producer: int) -> str:
    """What producer number `producer` is called: `producer`, `producer-1`, ..."""
    return f"producer-{producer}" if producer else "producer"


def roles(producers: int) -> list[str]:
    """Of all producers, in the order of their numbers."""
    return [role(producer) for producer in range(producers)]


def part(task: Task, producer: int) -> Task:
    """The block's task for one of its producers; where there are more, the address says which one it is."""
    address = address_of(task.address, producer, task.producers)
    return replace(task, producer=producer, where=dict(address.where))


def address_of(address: Address, producer: int, producers: int) -> Address:
    """The transport's address as one of the producers gets it."""
    if producers == 1:
        return address
    return replace(address, where={**address.where, "producer": producer})


@dataclass(frozen=True, slots=True)
class Produced:
    """What all producers of a block report, as if they were one."""

    columns: Columns
    """With more than one producer in the order of due moments, and with a column `seq`."""
    told: Mapping[str, int]
    """Counters: sums over the producers, of memory and moments the largest, of `started_ns` the smallest."""
    silent: frozenset[int]
    """Numbers of the producers that report nothing, because they died."""
    discarded: Mapping[str, int] = field(default_factory=dict)
    """What the transport dropped on the way, by the option that did."""
    traffic: tuple[Mapping[str, Any], ...] = ()
    """What each producer tells of its traffic control; none where there is none."""


def together(reports: Sequence[Mapping[str, Any] | None], task: Task) -> Produced | None:
    """One result of what each producer measured (None: it died); None when nobody reports."""
    there = {number: report for number, report in enumerate(reports) if report is not None}
    if not there:
        return None
    told = {name: sum(int(report[name]) for report in there.values()) for name in _SUMS}
    told |= {name: max(int(report[name]) for report in there.values()) for name in _LARGEST}
    told["started_ns"] = min(int(report["started_ns"]) for report in there.values())
    columns = {number: producer_columns(report["columns"]) for number, report in there.items()}
    silent = frozenset(range(len(reports))) - there.keys()
    merged = columns[0] if task.producers == 1 else _merged(columns, task)
    traffic = tuple(report["traffic"] for report in there.values() if "traffic" in report)
    discarded: Counter[str] = Counter()
    for report in there.values():
        discarded.update(report.get("discarded", {}))
    return Produced(merged, told, silent, discarded, traffic)


def _merged(columns: Mapping[int, Columns], task: Task) -> Columns:
    """By due moment, then by number: so a warm-up, which ends at one moment for all, is what comes first."""
    step = task.producers
    numbers = [
        np.arange(len(own["due"]), dtype=np.int64) * step + (task.first_seq + number)
        for number, own in columns.items()
    ]
    seq = np.concatenate(numbers)
    whole = {
        name: np.concatenate([own[name] for own in columns.values()]) for name in next(iter(columns.values()))
    }
    order = np.lexsort((seq, whole["due"]))
    return {"seq": seq[order], **{name: column[order] for name, column in whole.items()}}
