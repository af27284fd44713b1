"""Marks of many processes, joined by the messages' names: what became of each message of one hop.

- A name that is produced again after a worker was done with it is another message; produced again before that,
  it is the same one sent twice, and its first stamps count.
- What a worker marks belongs to the latest production of that name at that moment. Marks from before any are
  nobody's: they are counted, apart from those of messages whose production may have been overwritten.
- A message that was received several times keeps the stamps of the delivery that was done first. A mark belongs
  to the last delivery in its own process, else to the last one anywhere (a receiver may hand on to a pool).
- `asked`, where it was not marked, is when the worker's thread last finished or received a message: from then on
  it could have taken this one. A thread that works on several at a time (asyncio) does so a little earlier or
  later, which moves time between `queue` and `transit` and nothing else.
- Both ends of a trace cut through messages. Those produced before the first mark that was kept, and those under
  way when the trace ended, are left out and counted; a message is lost where a later one was received, or where
  the process that had it went on, or ended, without being done with it. Where a trace is missing or damaged,
  nobody knows, and open messages are left out.
- Where a producer marks replies (`returned`), a message without one has no latency: it is lost, or cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.records.samples import SAMPLE, Samples, Status
from benchkit.trace.layout import FAILED, Mark
from benchkit.trace.reader import Traced

Column = npt.NDArray[np.int64]
_BOUNDARIES: Final = (Mark.ASKED, Mark.RECEIVED, Mark.DONE, Mark.REPLIED)
"""After these a worker's thread could take its next message."""
_PRODUCER_STAMPS: Final = {
    Mark.PRODUCED: "taken", Mark.ENCODED: "encoded", Mark.SENT: "sent", Mark.RETURNED: "returned",
}  # fmt: skip
_STAGE_STAMPS: Final = {
    Mark.RECEIVED: "received", Mark.DECODED: "decoded", Mark.STARTED: "started", Mark.FINISHED: "finished",
    Mark.REPLIED: "replied",
}  # fmt: skip
_STAGE: Final = (Mark.RECEIVED, Mark.DECODED, Mark.STARTED, Mark.FINISHED, Mark.DONE, Mark.REPLIED)


@dataclass(frozen=True, slots=True)
class Counted:
    """What no sample can hold, in messages."""

    produced_again: int = 0
    received_again: int = 0
    never_produced: int = 0
    """Received, and nobody produced it."""
    before_produced: int = 0
    """Of these, produced later: the call stands in the wrong place."""
    never_received: int = 0
    never_done: int = 0
    never_returned: int = 0
    """Done, and the reply that others have never came."""
    lost_in_crash: int = 0
    """Received and never done, in the hands of a process that was killed."""
    outside: int = 0
    """Before the first mark that was kept of some process, or still under way when the trace ended."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The messages of one hop in the order in which they were due, and who took part."""

    samples: Samples
    counted: Counted
    producers: tuple[int, ...]
    """Indices of the processes that produced."""
    stages: tuple[int, ...]
    """Indices of those that received or were done."""
    workers: tuple[tuple[int, int], ...]
    """Process and thread of each number in the samples' `worker`."""
    made_by: Column
    """The process that produced each message, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Columns of one hop's marks, by message and moment, shape (n,)."""

    message: Column
    """A number for each name."""
    at: Column
    mark: Column
    process: Column
    thread: Column
    value: Column
    nbytes: Column
    failed: npt.NDArray[np.bool_]

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Marks:
        """Some of them."""
        return Marks(*(getattr(self, name)[rows] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.at)


def hops(traced: Sequence[Traced]) -> list[int]:
    """The hops on which anything was marked."""
    return sorted({int(hop) for each in traced for hop in np.unique(each.marks["hop"])})


def marks_of(traced: Sequence[Traced], hop: int) -> Marks:
    """All marks of one hop; those of `asked` have a message of their own, -1."""
    tables = [each.marks[each.marks["hop"] == hop] for each in traced]
    process = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    table = np.concatenate([*tables, np.zeros(0, traced[0].marks.dtype)])
    names: dict[tuple[int, bytes], int] = {}
    pairs = zip(table["length"].tolist(), table["id"].tolist(), strict=True)
    message = np.array([names.setdefault(pair, len(names)) for pair in pairs], np.int64)
    message[table["mark"] == Mark.ASKED] = -1
    found = Marks(
        message, table["at"].astype(np.int64), table["mark"].astype(np.int64), process,
        table["thread"].view(np.int64) if len(table) else np.zeros(0, np.int64),
        table["value"].astype(np.int64), table["nbytes"].astype(np.int64), (table["flags"] & FAILED) != 0,
    )  # fmt: skip
    return found[np.lexsort((found.mark, found.at, found.message))]


def join(traced: Sequence[Traced], hop: int, *, all_there: bool = True) -> Joined:
    """The messages of one hop; of what is open when a trace is missing (not `all_there`), nobody knows the fate."""
    marks = marks_of(traced, hop)
    own = marks[marks.message >= 0]
    starts, again, belongs, occurrence = _occurrences(own)
    strangers = own[~belongs]
    own, occurrence = own[belongs], occurrence[belongs]
    samples = _produced(own, occurrence, int(starts.sum()))
    made_by = own.process[np.searchsorted(occurrence, np.arange(len(samples)))]
    chosen, received_again = _deliveries(own, occurrence)
    workers = _stage(samples, own[chosen], occurrence[chosen], _asked(marks))
    in_crash = _fates(samples, traced, own[chosen], occurrence[chosen], all_there=all_there)
    first_kept = max((int(each.marks["at"][0]) for each in traced if each.overwritten), default=0)
    inside = (samples["taken"] >= first_kept) & (samples["status"] != Status.PENDING)
    lost = inside & (samples["status"] == Status.LOST)
    nobodys = np.unique(strangers.message[(strangers.mark == Mark.RECEIVED) & (strangers.at >= first_kept)])
    counted = Counted(
        produced_again=again,
        received_again=received_again,
        never_produced=len(nobodys),
        before_produced=int(np.isin(nobodys, own.message).sum()),
        never_received=int((lost & (samples["received"] == 0) & (samples["finished"] == 0)).sum()),
        never_done=int((lost & (samples["received"] != 0) & (samples["finished"] == 0)).sum()),
        never_returned=int((lost & (samples["finished"] != 0)).sum()),
        lost_in_crash=int((lost & in_crash).sum()),
        outside=int((~inside).sum()),
    )
    order = np.flatnonzero(inside)
    order = order[np.argsort(samples["due"][order], kind="stable")]
    kept = samples[order]
    kept["seq"] = np.arange(len(kept))
    producers = np.unique(marks.process[marks.mark == Mark.PRODUCED])
    stages = np.unique(marks.process[np.isin(marks.mark, _STAGE)])
    return Joined(kept, counted, tuple(producers.tolist()), tuple(stages.tolist()), workers, made_by[order])


def _occurrences(
    own: Marks,
) -> tuple[npt.NDArray[np.bool_], int, npt.NDArray[np.bool_], Column]:
    """Where each message starts, how often one was produced again, which marks belong, and to which message."""
    produced = own.mark == Mark.PRODUCED
    done = np.cumsum(own.mark == Mark.DONE)
    rows = np.flatnonzero(produced)
    first = np.diff(own.message[rows], prepend=-1) != 0
    # A worker was done with it since it was last produced.
    renewed = np.diff(done[rows], prepend=0) != 0
    starts = np.zeros(len(own), np.bool_)
    starts[rows[first | renewed]] = True
    occurrence = np.cumsum(starts) - 1
    names = own.message[starts]
    belongs = occurrence >= 0
    belongs[belongs] = names[occurrence[belongs]] == own.message[belongs]
    return starts, int(produced.sum() - starts.sum()), belongs, occurrence


def _produced(own: Marks, occurrence: Column, count: int) -> Samples:
    """Samples with what producers marked; shape (count,)."""
    samples = np.zeros(count, SAMPLE)
    samples["worker"] = -1
    for mark, stamp in _PRODUCER_STAMPS.items():
        rows = np.flatnonzero(own.mark == mark)
        message, first = np.unique(occurrence[rows], return_index=True)
        samples[stamp][message] = own.at[rows[first]]
        if mark is Mark.PRODUCED:
            samples["due"][message] = own.value[rows[first]]
            samples["payload_bytes"][message] = own.nbytes[rows[first]]
    # What was not marked took no time of its own: it is within the phase that follows.
    early = (samples["due"] == 0) | (samples["due"] > samples["taken"])
    samples["due"][early] = samples["taken"][early]
    for stamp, before in (("encoded", "taken"), ("sent", "encoded")):
        missing = samples[stamp] == 0
        samples[stamp][missing] = samples[before][missing]
    return samples


def _deliveries(own: Marks, occurrence: Column) -> tuple[npt.NDArray[np.intp], int]:
    """The workers' marks that count, of one delivery of each message, and how many deliveries were not the first."""
    rows = np.flatnonzero(np.isin(own.mark, _STAGE))
    arrivals = np.bincount(occurrence[rows][own.mark[rows] == Mark.RECEIVED], minlength=1)
    several = np.flatnonzero(arrivals > 1)
    if not len(several):
        return rows, 0
    crowded = np.isin(occurrence[rows], several)
    kept = [rows[~crowded]]
    again = rows[crowded]
    cuts = np.flatnonzero(np.diff(occurrence[again])) + 1
    kept += [_first_done(own, part) for part in np.split(again, cuts)]
    return np.sort(np.concatenate(kept)), int((arrivals[several] - 1).sum())


def _first_done(own: Marks, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Of one message's marks, in the order of their moments, those of the delivery that was done first."""
    last, latest = {}, -1
    delivery = np.full(len(rows), -1)
    done: list[int] = []
    for at, row in enumerate(rows.tolist()):
        process = int(own.process[row])
        if own.mark[row] == Mark.RECEIVED:
            latest += 1
            last[process] = latest
        delivery[at] = last.get(process, latest)
        if own.mark[row] == Mark.DONE:
            done.append(int(delivery[at]))
    kept: npt.NDArray[np.intp] = rows[delivery == (done[0] if done else 0)]
    return kept


def _asked(marks: Marks) -> tuple[Column, Column, Column, Column]:
    """Process, thread, moment of each reception, and when its thread could have taken it (0: not known)."""
    order = np.lexsort((marks.mark, marks.at, marks.thread, marks.process))
    rows = order[np.isin(marks.mark[order], _BOUNDARIES)]
    own = marks[rows]
    same = np.zeros(len(own), np.bool_)
    same[1:] = (own.process[1:] == own.process[:-1]) & (own.thread[1:] == own.thread[:-1])
    before = np.where(same, np.roll(own.at, 1), 0)
    received = own.mark == Mark.RECEIVED
    return own.process[received], own.thread[received], own.at[received], before[received]


def _stage(
    samples: Samples, own: Marks, occurrence: Column, asked: tuple[Column, Column, Column, Column]
) -> tuple[tuple[int, int], ...]:
    """Fill in what workers marked; returns process and thread of each worker."""
    for mark, stamp in _STAGE_STAMPS.items():
        rows = np.flatnonzero(own.mark == mark)
        message, first = np.unique(occurrence[rows], return_index=True)
        samples[stamp][message] = own.at[rows[first]]
    rows = np.flatnonzero(own.mark == Mark.DONE)
    message, first = np.unique(occurrence[rows], return_index=True)
    finished = samples["finished"][message]
    samples["finished"][message] = np.where(finished == 0, own.at[rows[first]], finished)
    replied = samples["replied"][message]
    samples["replied"][message] = np.where(replied == 0, own.at[rows[first]], replied)
    samples["status"][message] = np.where(own.failed[rows[first]], Status.DEAD_LETTERED, Status.DELIVERED)
    for stamp, before in (("decoded", "received"), ("started", "decoded")):
        missing = samples[stamp] == 0
        samples[stamp][missing] = samples[before][missing]
    workers: dict[tuple[int, int], int] = {}
    known = {key[:3]: key[3] for key in zip(*(column.tolist() for column in asked), strict=True)}
    rows = np.flatnonzero(own.mark == Mark.RECEIVED)
    message, first = np.unique(occurrence[rows], return_index=True)
    chosen = rows[first]
    lanes = list(zip(own.process[chosen].tolist(), own.thread[chosen].tolist(), strict=True))
    samples["worker"][message] = [workers.setdefault(lane, len(workers)) for lane in lanes]
    samples["asked"][message] = [
        known.get((*lane, at), 0) for lane, at in zip(lanes, own.at[chosen].tolist(), strict=True)
    ]
    return tuple(workers)


def _fates(
    samples: Samples, traced: Sequence[Traced], own: Marks, occurrence: Column, *, all_there: bool
) -> npt.NDArray[np.bool_]:
    """Set what became of messages that nobody was done with; returns which were in a killed process's hands."""
    open_ = samples["status"] == Status.PENDING
    received = samples["received"] != 0
    overtaken = ~received & (samples["taken"] < int(samples["received"].max(initial=0)))
    rows = np.flatnonzero(own.mark == Mark.RECEIVED)
    holder = np.zeros(len(samples), np.int64)
    holder[occurrence[rows]] = own.process[rows]
    last_done = np.zeros(len(traced), np.int64)
    done = own.mark == Mark.DONE
    np.maximum.at(last_done, own.process[done], own.at[done])
    # A process that still lives may yet be done with what it received last.
    gone = np.array([not each.running for each in traced], np.bool_)[holder]
    killed = gone & np.array([not each.ended_ns for each in traced], np.bool_)[holder]
    went_on = last_done[holder] > samples["received"]
    never_done = received & (gone | went_on)
    if all_there:
        samples["status"][open_ & (overtaken | never_done)] = Status.LOST
    in_crash: npt.NDArray[np.bool_] = open_ & never_done & killed & ~went_on
    _replies(samples)
    return in_crash


def _replies(samples: Samples) -> None:
    """Where producers wait for replies, a message without one was not delivered: its latency has no end."""
    replied = samples["returned"] != 0
    if not replied.any():
        return
    last = int(samples["taken"][replied].max())
    missing = (samples["status"] == Status.DELIVERED) & ~replied
    samples["status"][missing & (samples["taken"] < last)] = Status.LOST
    samples["status"][missing & (samples["taken"] >= last)] = Status.PENDING
