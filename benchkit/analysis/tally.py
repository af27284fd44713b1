"""What is added up strip by strip over a cell's rows: pools of durations, and sums for each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column, Selection, end_ns, phase_columns, select, select_scheduled
from benchkit.analysis.pools import Exact, pool
from benchkit.analysis.strips import Layout, cut
from benchkit.records.samples import PHASES, Samples

LATE_NS = 1_000_000
"""A message that leaves more than 1 ms after it was due is late."""
MOVING = frozenset({"send", "transit", "reply", "return"})
"""The phases that are the transport's."""
Stamp = Callable[[str], Column]
_GROUPS = 100
_FETCHED_MOST = 1 << 16
_FETCHED_LEAST = 20
_NONE_YET = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Blocks:
    """Delivered messages after warm-up by block; one entry each, shape (blocks,)."""

    numbers: Column
    counts: Column
    first_due_ns: Column
    last_due_ns: Column
    last_end_ns: Column
    phase_sums_ns: Column
    """Shape (blocks, 10)."""

    @property
    def spans_ns(self) -> Column:
        """From the first due moment to the last end, and to the due moment of a next message at least.

        n messages stand for n intervals and their due moments enclose n - 1: without the last one, fifteen
        messages at 30/s that are answered at once would count as 32/s.
        """
        enclosed = self.last_due_ns - self.first_due_ns
        one_more = enclosed + enclosed // np.maximum(1, self.counts - 1)
        spans: Column = np.maximum(self.last_end_ns - self.first_due_ns, one_more)
        return spans


class Tally:
    """Delivered messages after warm-up."""

    def __init__(self, messages: int) -> None:
        self.latency, self.service = pool(messages), pool(messages)
        self.phases = {name: pool(messages) for name in PHASES}
        self.moved = pool(messages)
        """The phases of MOVING together, message by message."""
        self.residual_ns = 0
        """How far any message's phases miss its latency."""
        self.payload_bytes = 0
        self._entries: list[tuple[Column, Column, Column, Column, Column, Column]] = []

    def add(self, chosen: Selection, stamp: Stamp) -> None:
        """One strip's messages and their columns, one at least."""
        due, end = stamp("due"), end_ns(stamp)
        latency = end - due
        self.latency.add(latency)
        self.service.add(end - stamp("taken"))
        sums = np.empty((len(chosen.blocks), len(PHASES)), np.int64)
        rest, moved = latency, np.zeros(len(latency), np.int64)
        for at, (name, phase) in enumerate(zip(PHASES, phase_columns(stamp), strict=True)):
            self.phases[name].add(phase)
            sums[:, at] = np.add.reduceat(phase, chosen.starts)
            rest = rest - phase
            if name in MOVING:
                moved += phase
        self.moved.add(moved)
        self.residual_ns = max(self.residual_ns, int(np.abs(rest).max()))
        self.payload_bytes += int(stamp("payload_bytes").sum())
        self._entries.append(
            (
                np.array(chosen.blocks, np.int64), np.diff(chosen.starts, append=len(chosen.rows)),
                np.minimum.reduceat(due, chosen.starts), np.maximum.reduceat(due, chosen.starts),
                np.maximum.reduceat(end, chosen.starts), sums,
            )
        )  # fmt: skip

    def blocks(self) -> Blocks:
        """By block, those that a strip's end cut in two put together again."""
        if not self._entries:
            none = np.zeros(0, np.int64)
            return Blocks(none, none, none, none, none, np.zeros((0, len(PHASES)), np.int64))
        numbers, *columns = (np.concatenate(column) for column in zip(*self._entries, strict=True))
        starts = _starts(numbers)
        how = (np.add, np.minimum, np.maximum, np.maximum, np.add)
        merged = (each.reduceat(column, starts, axis=0) for each, column in zip(how, columns, strict=True))
        return Blocks(numbers[starts], *merged)


@dataclass(frozen=True, slots=True)
class Worked:
    """One worker, its measured messages of all blocks together."""

    messages: int
    busy_ns: int
    """Decoding, computing and replying; a batch counts once."""


class Busy:
    """How long stages worked: decoding, and from `started` to the last `replied` of each batch."""

    def __init__(self) -> None:
        self.total_ns = 0
        self._strips: list[tuple[Column, Column, Column]] = []
        self._worked: dict[int, list[int]] = {}
        self._fetched: list[Column] = []
        self._room = _FETCHED_MOST

    def add(self, stamp: Stamp) -> None:
        """A strip's messages."""
        started = stamp("started")
        ran = started != 0
        done = np.maximum(stamp("replied"), stamp("finished"))
        self.total_ns += int((stamp("decoded") - stamp("received"))[ran].sum())
        decoding = stamp("decoded") - stamp("received")
        columns = (stamp("worker"), started, done)
        if not ran.all():
            columns, decoding = (columns[0][ran], columns[1][ran], columns[2][ran]), decoding[ran]
        self._strips.append(columns)
        self._share(columns[0], decoding, messages=1)
        if self._room:
            self._fetch(stamp)

    def _share(self, worker: Column, spent: Column, *, messages: int) -> None:
        """To each worker what it spent."""
        for number in range(int(worker.min(initial=0)), int(worker.max(initial=-1)) + 1):
            own = worker == number
            if own.any():
                sums = self._worked.setdefault(number, [0, 0])
                sums[0] += messages * int(np.count_nonzero(own))
                sums[1] += int(spent[own].sum())

    def _fetch(self, stamp: Stamp) -> None:
        """How long receiving took of messages that had been sent before the worker asked for them."""
        asked = stamp("asked")
        there = (asked > stamp("sent")) & (stamp("sent") != 0)
        values = (stamp("received") - asked)[there][: self._room]
        self._room -= len(values)
        self._fetched.append(values)

    def worked(self) -> dict[int, Worked]:
        """By worker."""
        return {number: Worked(*sums) for number, sums in sorted(self._worked.items())}

    def fetch_ns(self) -> int | None:
        """Median of receiving what was already there; None where no message had to wait for its worker."""
        values = np.concatenate(self._fetched) if self._fetched else np.zeros(0, np.int64)
        return int(np.median(values)) if len(values) >= _FETCHED_LEAST else None

    def end_block(self) -> None:
        """No batch goes on from here: it may lie across two strips, but not across two blocks."""
        if not self._strips:
            return
        worker, started, done = (
            columns[0] if len(columns) == 1 else np.concatenate(columns)
            for columns in zip(*self._strips, strict=True)
        )
        self._strips.clear()
        if not len(started):
            return
        if np.any(worker[1:] != worker[:-1]) or np.any(started[1:] < started[:-1]):
            order = np.lexsort((started, worker))
            worker, started, done = worker[order], started[order], done[order]
        another = (started[1:] != started[:-1]) | (worker[1:] != worker[:-1])
        first = np.concatenate(([0], np.flatnonzero(another) + 1))
        spent = np.maximum.reduceat(done, first) - started[first]
        self.total_ns += int(spent.sum())
        self._share(worker[first], spent, messages=0)


class Paced:
    """Messages that were due after warm-up, whatever became of them: did they leave when they should?"""

    def __init__(self, messages: int) -> None:
        self.lateness = pool(messages)
        self.count = 0
        self.late = 0
        """Those that left more than LATE_NS late, or never."""
        self._entries: list[tuple[Column, ...]] = []

    def add(self, strip: Samples) -> None:
        """One strip's messages."""
        chosen = select_scheduled(strip)
        if not len(chosen.rows):
            return
        stamp = remembering(chosen)
        due, taken, starts = stamp("due"), stamp("taken"), chosen.starts
        gone = taken != 0
        lateness = np.maximum(taken - due, 0)[gone]
        self.lateness.add(lateness)
        self.count += len(due)
        self.late += int(np.count_nonzero(lateness > LATE_NS)) + len(due) - len(lateness)
        self._entries.append(
            (
                np.array(chosen.blocks, np.int64), np.diff(starts, append=len(due)), np.minimum.reduceat(due, starts),
                np.maximum.reduceat(due, starts), np.add.reduceat(gone.astype(np.int64), starts),
                np.minimum.reduceat(np.where(gone, taken, _NONE_YET), starts), np.maximum.reduceat(taken, starts),
            )
        )  # fmt: skip

    def rates(self) -> tuple[float | None, float | None]:
        """Messages a nanosecond that were asked for and that the producer turned to; None where nobody knows."""
        if not self._entries:
            return None, None
        numbers, *columns = (np.concatenate(column) for column in zip(*self._entries, strict=True))
        how = (np.add, np.minimum, np.maximum, np.add, np.minimum, np.maximum)
        starts = _starts(numbers)
        merged = [each.reduceat(column, starts) for each, column in zip(how, columns, strict=True)]
        # Gaps between moments, which no block's end cuts off.
        known = (merged[0] > 1) & (merged[3] > 1)
        count, first, last, gone, first_taken, last_taken = (int(each[known].sum()) for each in merged)
        gaps = int(np.count_nonzero(known))
        wanted_ns, done_ns = last - first, last_taken - first_taken
        asked = (count - gaps) / wanted_ns if wanted_ns else None
        return asked, (gone - gaps) / done_ns if done_ns else None


def _starts(numbers: Column) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))


def remembering(chosen: Selection) -> Stamp:
    """The columns of a strip, each gathered once."""
    known: dict[str, Column] = {}
    whole = len(chosen.rows) == len(chosen.samples)

    def column(name: str) -> Column:
        if name not in known:
            # In the order of the rows nothing need be looked up.
            known[name] = (
                np.ascontiguousarray(chosen.samples[name], np.int64) if whole else chosen.column(name)
            )
        return known[name]

    return column


class _Reread(Sequence[Column]):
    """Latencies of stretches of a cell, read anew whenever they are asked for."""

    def __init__(self, samples: Samples, bounds: Sequence[tuple[int, int]]) -> None:
        self._samples = samples
        self._bounds = bounds

    def __len__(self) -> int:
        return len(self._bounds)

    @overload
    def __getitem__(self, at: int) -> Column: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Column]: ...
    def __getitem__(self, at: int | slice) -> Column | Sequence[Column]:
        if isinstance(at, slice):
            return _Reread(self._samples, self._bounds[at])
        parts = []
        for _, strip in cut(self._samples, *self._bounds[at]):
            stamp = remembering(select(strip))
            parts.append(end_ns(stamp) - stamp("due"))
        return np.concatenate(parts)


def latencies(found: Layout, tally: Tally, blocks: Blocks) -> Sequence[Column]:
    """Latencies of each of the `blocks`, in the order of their rows."""
    if isinstance(tally.latency, Exact):
        stops = np.cumsum(blocks.counts)
        return np.split(tally.latency.values, stops[:-1]) if len(stops) else []
    at = np.searchsorted(found.numbers, blocks.numbers)
    return _Reread(
        found.samples, list(zip(found.starts[at].tolist(), found.starts[at + 1].tolist(), strict=True))
    )


def in_groups(found: Layout, by_block: Sequence[Column], blocks: Blocks, least: int) -> Sequence[Column]:
    """Of a cell too large to be kept and with blocks of fewer than `least` messages: neighbouring blocks together.

    About a hundred groups, so that an interval can be had group by group, without all messages at once.
    """
    if not isinstance(by_block, _Reread) or int(blocks.counts.min()) >= least:
        return by_block
    least = max(least, int(blocks.counts.sum()) // _GROUPS)
    at = np.searchsorted(found.numbers, blocks.numbers)
    firsts, lasts = found.starts[at].tolist(), found.starts[at + 1].tolist()
    bounds: list[tuple[int, int]] = []
    first, count = firsts[0], 0
    for number, (last, own) in enumerate(zip(lasts, blocks.counts.tolist(), strict=True)):
        count += own
        if count >= least:
            bounds.append((first, last))
            first, count = lasts[number], 0
    if count:
        bounds[-1:] = [(bounds[-1][0], lasts[-1])]
    return _Reread(found.samples, bounds)
