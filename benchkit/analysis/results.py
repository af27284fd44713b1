"""When messages were due and when their results were there, block by block, as few columns of whole blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column, end_ns
from benchkit.analysis.strips import cut, layout
from benchkit.records.samples import STAMPS, Samples, Status

NEVER_NS = np.iinfo(np.int64).max
"""When a message left that was still under way when the drain ended."""
_LIST = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Results:
    """The messages of one block that were due, warm-up included, in the order of their rows; shape (n,) each."""

    due_ns: Column
    end_ns: Column
    """When its result was there; only where it was delivered."""
    started_ns: Column
    """When its compute began; 0 where nobody knows."""
    left_ns: Column
    """When it was no longer under way: its end, the last that was seen of it, NEVER_NS for a pending one."""
    delivered: _LIST
    measured: _LIST
    """It is no warm-up."""

    @property
    def window_ns(self) -> tuple[int, int]:
        """The measured part of the schedule: from its first due moment to that of a next message.

        n messages stand for n intervals and their due moments enclose n - 1. Empty for fewer than two messages.
        """
        due = self.due_ns[self.measured]
        if len(due) < 2:
            return 0, 0
        first, last = int(due.min()), int(due.max())
        return first, last + (last - first) // (len(due) - 1)


def results(samples: Samples) -> Iterator[Results]:
    """Of each block of a cell, in ascending order; blocks in which nothing was due are left out."""
    found = layout(samples)
    starts = found.starts.tolist()
    for first, last in pairwise(starts):
        parts = [part for _, strip in cut(found.samples, first, last) if (part := _part(strip)) is not None]
        if parts:
            yield _whole(parts)


def _whole(parts: list[Results]) -> Results:
    if len(parts) == 1:
        return parts[0]
    fields: dict[str, Callable[[Results], npt.NDArray[np.generic]]] = {
        "due_ns": lambda part: part.due_ns, "end_ns": lambda part: part.end_ns,
        "started_ns": lambda part: part.started_ns, "left_ns": lambda part: part.left_ns,
        "delivered": lambda part: part.delivered, "measured": lambda part: part.measured,
    }  # fmt: skip
    joined = {name: np.concatenate([of(part) for part in parts]) for name, of in fields.items()}
    return Results(**joined)


def _part(strip: Samples) -> Results | None:
    # A message that goes through several stages has a row for each; the first one holds its due moment and its end.
    rows = np.flatnonzero((strip["due"] != 0) & (strip["hop"] == 0))
    if not len(rows):
        return None
    own = strip if len(rows) == len(strip) else strip[rows]
    status = own["status"]
    delivered = status == Status.DELIVERED
    end = end_ns(lambda name: own[name].astype(np.int64))
    return Results(
        due_ns=own["due"].astype(np.int64),
        end_ns=end,
        started_ns=own["started"].astype(np.int64),
        left_ns=end if delivered.all() else _left(own, end, delivered),
        delivered=delivered,
        measured=~own["warmup"],
    )


def _left(own: Samples, end: Column, delivered: _LIST) -> Column:
    left = end.copy()
    gone = np.flatnonzero(~delivered)
    seen = np.max([own[name][gone] for name in STAMPS], axis=0)
    left[gone] = np.where(own["status"][gone] == Status.PENDING, NEVER_NS, seen)
    return left
