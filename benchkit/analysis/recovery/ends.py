"""Moments of single messages and stretches of a trial that several questions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.records.faults import Trial
from benchkit.records.operations import Operations

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Stretch = tuple[int, int]
"""From, to; ns of the host's clock."""


def handled_ns(operations: Operations) -> Column:
    """When a worker got through with a message for the first time, well or badly; 0: never.

    `received` alone is not the end: a worker that dies with a message in its hand has delivered it to nobody.
    """
    finished, failed = operations["finished"], operations["failed"]
    both = np.where((finished > 0) & (failed > 0), np.minimum(finished, failed), np.maximum(finished, failed))
    found: Column = both.astype(np.int64)
    return found


def due_ns(operations: Operations) -> Column:
    """When a message should have left; where no schedule said so, when the producer turned to it."""
    found: Column = np.where(operations["due"] > 0, operations["due"], operations["taken"]).astype(np.int64)
    return found


def attempted(operations: Operations) -> Mask:
    """A producer turned to it."""
    found: Mask = operations["taken"] > 0
    return found


def acknowledged(operations: Operations) -> Mask:
    """Somebody beyond the producer's end said to have it, or answered it, and nobody said no."""
    said = (operations["confirmed"] > 0) | (operations["returned"] > 0)
    found: Mask = attempted(operations) & said & (operations["rejected"] == 0)
    return found


def outages(trial: Trial, operations: Operations) -> tuple[Stretch, ...]:
    """When the fault was on, each stretch up to the first message that was handled after it was over.

    From the injection to the healing, and of each process that died since, from its death until its successor was
    ready. What a sender hands over in between may go to a peer that is gone: nobody has noticed yet.
    """
    if trial.control or not trial.injected_ns:
        return ()
    found = [(trial.injected_ns, max(trial.injected_ns, trial.healed_ns))]
    found += [
        (int(death["at_ns"]), _ready_ns(trial, death))
        for death in trial.deaths
        if int(death["at_ns"]) >= trial.injected_ns
    ]
    handled = np.sort(handled_ns(operations))
    return tuple((start, _next(handled, stop, trial.ended_ns)) for start, stop in found)


def _ready_ns(trial: Trial, death: Mapping[str, Any]) -> int:
    later = [
        int(each["ready_ns"])
        for each in trial.restarts
        if each["party"] == death["party"] and int(each.get("ready_ns") or 0) >= int(death["at_ns"])
    ]
    return min(later, default=trial.ended_ns)


def _next(moments: Column, since_ns: int, never_ns: int) -> int:
    at = int(np.searchsorted(moments, since_ns))
    return int(moments[at]) if at < len(moments) else max(never_ns, since_ns)


def caught(operations: Operations, stretches: Sequence[Stretch]) -> Mask:
    """Messages that were under way at some moment of the stretches: turned to, and neither handled nor refused.

    One that never came may have been lost at any time. It is held to have been under way when a stretch began only
    if it could still be, in a queue like the one that was seen until then: no older than the oldest that was
    handled, and as long as its worker had handled nothing since.
    """
    handled, refused = handled_ns(operations), operations["rejected"]
    gone = np.where(handled > 0, handled, refused)
    found = np.zeros(len(operations), np.bool_)
    for start, stop in stretches:
        still = np.where(
            gone > 0, gone >= start, start - operations["taken"] <= _oldest_ns(operations, start)
        )
        found |= attempted(operations) & (operations["taken"] <= stop) & still
    return found


def _oldest_ns(operations: Operations, at_ns: int) -> int:
    """How long the oldest message can have been under way at a moment, by those that were handled until then.

    What stands in a worker's queue was turned to no earlier than the last message that the worker handled.
    """
    handled = handled_ns(operations)
    seen = attempted(operations) & (handled > 0) & (handled < at_ns)
    if not seen.any():
        return at_ns
    age = int((handled - operations["taken"])[seen].max())
    workers = operations["worker"][seen]
    last = min(int(handled[seen][workers == each].max()) for each in np.unique(workers))
    return age + at_ns - last


def load_until_ns(operations: Operations) -> int:
    """When the last message was due; 0 where there was none."""
    due = due_ns(operations)[attempted(operations)]
    return int(due.max()) if len(due) else 0
