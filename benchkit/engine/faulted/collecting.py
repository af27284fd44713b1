"""Journals -> operations: one row a message, whoever wrote what of it and however often they were started again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.engine.faulted.journal import EVENT, Events, What
from benchkit.records.operations import Operations, blank

_FIRST = {
    "taken": What.TAKEN, "sent": What.SENT, "confirmed": What.CONFIRMED, "rejected": What.REJECTED,
    "returned": What.REPLIED, "received": What.RECEIVED, "started": What.STARTED, "finished": What.FINISHED,
    "acked": What.ACKED, "failed": What.FAILED,
}  # fmt: skip
"""Columns that hold the first moment of an event."""
_KNOWN = (What.TAKEN, What.RECEIVED, What.REPLIED, What.REJECTED)
"""Events that make a row."""
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Written:
    """The journal of one incarnation."""

    turn: int
    """Which life of its party this was, from 0."""
    events: Events


def operations(journals: Iterable[Written]) -> Operations:
    """Rows by `seq`, shape (n,); a message that was received and never taken has `taken` 0."""
    events, turns = _together(list(journals))
    made = events["seq"][np.isin(events["what"], _KNOWN)]
    rows = blank(0)
    numbers = np.unique(made[made >= 0])
    rows = blank(len(numbers))
    rows["seq"] = numbers
    for column, what in _FIRST.items():
        own, at = _of(events, what, numbers)
        if what == What.REJECTED:
            # One that is only given up for lost may have been handled before its worker died: nobody said no.
            said_no = events["detail"][own] == 0
            own, at = own[said_no], at[said_no]
        # The first one wins, because it is written last.
        rows[column][at[::-1]] = events["at_ns"][own][::-1]
    own, at = _of(events, What.TAKEN, numbers)
    rows["due"][at[::-1]], rows["turn"][at[::-1]] = events["detail"][own][::-1], turns[own][::-1]
    own, at = _of(events, What.RECEIVED, numbers)
    rows["worker"][at[::-1]] = events["detail"][own][::-1]
    for column, what in (("deliveries", What.RECEIVED), ("replies", What.REPLIED), ("torn", What.TORN)):
        rows[column] = np.bincount(_of(events, what, numbers)[1], minlength=len(rows))
    return rows


def torn_beyond_number(journals: Iterable[Written]) -> int:
    """Deliveries that do not even tell whose they are."""
    return sum(
        int(((each.events["what"] == What.TORN) & (each.events["seq"] < 0)).sum()) for each in journals
    )


def _together(journals: Sequence[Written]) -> tuple[Events, npt.NDArray[np.int32]]:
    """All events in the order in which they happened, and whose turn each was."""
    if not journals:
        return np.empty(0, EVENT), np.empty(0, np.int32)
    events = np.concatenate([each.events for each in journals])
    turns = np.repeat(
        np.array([each.turn for each in journals], np.int32), [len(each.events) for each in journals]
    )
    order = np.argsort(events["at_ns"], kind="stable")
    return events[order], turns[order]


def _of(events: Events, what: What, numbers: npt.NDArray[np.int64]) -> tuple[Index, Index]:
    """Where the events of a kind are, and in which row each belongs."""
    own = np.flatnonzero((events["what"] == what) & np.isin(events["seq"], numbers))
    return own, np.searchsorted(numbers, events["seq"][own])


def in_flight(rows: Operations, at_ns: int) -> tuple[int, int]:
    """At that moment: messages that were sent (or on the way to it) and not received; received, not acknowledged."""
    begun = (rows["taken"] > 0) & (rows["taken"] <= at_ns) & (rows["rejected"] == 0)
    received = (rows["received"] > 0) & (rows["received"] <= at_ns)
    open_ = (rows["acked"] == 0) | (rows["acked"] > at_ns)
    return int((begun & ~received & open_).sum()), int((received & open_).sum())
