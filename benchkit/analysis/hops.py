"""A pipeline's rows, one for each message and hop, folded into one row for each message.

The way that counts is the critical one: from the producer to the last stage that finished with the message (of a
chain the only one there is). A hop's `due` is the `finished` of the stage before it, so the hops' latencies add up
to the message's, and the folded row's phases are the sums of theirs, nanosecond for nanosecond. What a message
waited at a stage until it was handed on (behind others of its batch, behind a copy for another stage) is `send`
in the folded row: `lateness` is the producer's alone.

A message whose stamps are missing in the middle (a worker died and took them along; a copy of it overtook the one
whose stamps are known) keeps its first hop's phases up to `sent`; the rest of its way is `transit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column, phase_columns
from benchkit.records.run import Cell
from benchkit.records.samples import PHASES, Samples, Status

_ENDS: Final = ("taken", "encoded", "sent", "asked", "received", "decoded", "started", "finished")
"""The end of each phase of a way without a reply, in the order of PHASES."""
_WORST: Final = (Status.DEAD_LETTERED, Status.LOST, Status.REJECTED, Status.DROPPED, Status.PENDING)
"""Of a message with several fates, the one that is told."""
_LATENESS, _SEND, _TRANSIT = PHASES.index("lateness"), PHASES.index("send"), PHASES.index("transit")


def afters(cell: Cell) -> tuple[int, ...]:
    """Of each hop the number of the hop that feeds it, -1: the producer; empty where the cell has one stage."""
    number = {hop.name: at for at, hop in enumerate(cell.hops)}
    return tuple(number.get(hop.after, -1) for hop in cell.hops)


def messages_of(cell: Cell, samples: Samples) -> Samples:
    """One row for each message of a cell, shape (n,); the samples themselves where it has one stage."""
    return folded(samples, afters(cell)) if cell.hops else samples


def of_hop(samples: Samples, hop: int) -> Samples:
    """The rows of one hop: as of a cell with this one stage, `due` where the stage before it had finished."""
    rows: Samples = samples[samples["hop"] == hop]
    return rows


def folded(samples: Samples, after: Sequence[int]) -> Samples:
    """One row for each message, in the order of their first hops; `worker` is -1, for there were several.

    `samples` of shape (n,), dtype SAMPLE, as the engine writes them: message after message, of each the hops in
    their order. `after` holds for each hop the number of the one that feeds it (-1: the producer). A message is
    delivered where every last stage finished with it; else it has the worst fate of its rows, and no end.
    """
    rows = _places(samples, len(after))
    whole = samples[rows[0]].copy()
    whole["worker"] = -1
    leaves = [hop for hop in range(len(after)) if hop not in after]
    whole["status"] = _status(samples, rows, leaves)
    done = whole["status"] == Status.DELIVERED
    whole["finished"][~done] = whole["replied"][~done] = 0
    last = _last(samples, rows, leaves)
    for leaf in leaves:
        chosen = np.flatnonzero(done & (last == leaf))
        if len(chosen):
            whole[chosen] = _sums(samples, whole[chosen], [rows[hop][chosen] for hop in path(after, leaf)])
    return whole


def path(after: Sequence[int], leaf: int) -> list[int]:
    """The hops from the producer to a stage."""
    found = [leaf]
    while after[found[0]] >= 0:
        found.insert(0, after[found[0]])
    return found


def _places(samples: Samples, hops: int) -> list[npt.NDArray[np.intp]]:
    """For each hop and message the row, -1 where there is none."""
    hop = samples["hop"]
    message = np.cumsum(hop == 0) - 1
    rows = [np.full(int(message[-1]) + 1 if len(hop) else 0, -1, np.intp) for _ in range(hops)]
    for number, own in enumerate(rows):
        at = np.flatnonzero(hop == number)
        own[message[at]] = at
    return rows


def _status(
    samples: Samples, rows: Sequence[npt.NDArray[np.intp]], leaves: Sequence[int]
) -> npt.NDArray[np.int16]:
    status = samples["status"]
    fates = [np.where(own >= 0, status[own], -1) for own in rows] if len(samples) else [np.zeros(0, np.int16)]
    arrived = np.logical_and.reduce([fates[leaf] == Status.DELIVERED for leaf in leaves if leaf < len(fates)])
    found = np.full(len(rows[0]), int(Status.PENDING), np.int16)
    for fate in reversed(_WORST):
        found[np.logical_or.reduce([each == fate for each in fates])] = fate
    found[arrived] = Status.DELIVERED
    return found


def _last(samples: Samples, rows: Sequence[npt.NDArray[np.intp]], leaves: Sequence[int]) -> Column:
    """Of each message the last stage that finished with it."""
    if len(leaves) == 1 or not len(samples):
        return np.full(len(rows[0]), leaves[0], np.int64)
    ends = np.stack([np.where(rows[leaf] >= 0, samples["finished"][rows[leaf]], 0) for leaf in leaves])
    last: Column = np.asarray(leaves, np.int64)[np.argmax(ends, axis=0)]
    return last


def _sums(samples: Samples, whole: Samples, hops: Sequence[npt.NDArray[np.intp]]) -> Samples:
    """The folded rows of messages that went this way; `hops` holds the rows of each hop, in order."""
    end = samples["finished"][hops[-1]].astype(np.int64)
    handing_back = np.maximum(samples["replied"][hops[-1]] - end, 0)
    sums = np.zeros((len(_ENDS), len(end)), np.int64)
    known = np.ones(len(end), np.bool_)
    for number, own in enumerate(hops):
        at = np.maximum(own, 0)
        phases = phase_columns(_columns(samples, at))
        for phase, column in zip(range(len(_ENDS)), phases, strict=False):
            # Waiting to be handed on is no lateness of the producer's.
            sums[_SEND if phase == _LATENESS and number else phase] += column
        known &= own >= 0
    for before, own in pairwise(hops):
        known &= _follows(samples, before, own)
    _bridge(whole, sums, end, ~known)
    moments = whole["due"] + np.cumsum(sums, axis=0)
    made = whole.copy()
    for name, column in zip(_ENDS, moments, strict=True):
        made[name] = column
    # Stamps of a hop that run backwards must show in the message's phases too: as a way back that took less than 0.
    off = moments[-1] != end
    made["replied"] = np.where(off, 0, end + handing_back)
    made["returned"] = np.where(off, end, 0)
    return made


def _columns(samples: Samples, rows: npt.NDArray[np.intp]) -> Callable[[str], Column]:
    return lambda name: samples[name][rows].astype(np.int64)


def _follows(
    samples: Samples, before: npt.NDArray[np.intp], own: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """A hop begins where the one before it ended, and its message was not there earlier."""
    due = samples["due"][own]
    return np.asarray(
        (before >= 0) & (due != 0) & (due == samples["finished"][before]) & (samples["received"][own] >= due)
    )


def _bridge(whole: Samples, sums: npt.NDArray[np.int64], end: Column, unknown: npt.NDArray[np.bool_]) -> None:
    """Where stamps are missing, all that is not known of the way is `transit`."""
    if not unknown.any():
        return
    part = whole[unknown]
    known_until = np.minimum(np.maximum(part["sent"], part["encoded"]), end[unknown])
    sums[:, unknown] = 0
    moments = [part["due"], part["taken"], part["encoded"], known_until]
    for phase, (begin, stop) in enumerate(pairwise(moments)):
        sums[phase, unknown] = np.maximum(stop - begin, 0)
    sums[_TRANSIT, unknown] = end[unknown] - part["due"] - sums[:, unknown].sum(axis=0)
