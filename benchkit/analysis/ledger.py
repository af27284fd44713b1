"""The ledger of a message's life: phases that add up to its latency, nanosecond for nanosecond.

Eleven boundaries, each the end of a phase and the start of the next, so their differences telescope::

    due | lateness | taken | encode | encoded | send | (sent or received) | queue | (asked) | transit |
    received | decode | decoded | batch | started | compute | finished | reply | (replied or returned) |
    return | end

- `send` ends when `send` returned or when the message was received, whichever came first.
- `queue` is the part of the rest during which the worker had not yet asked for its next message.
- The end is `returned`; a message without a reply ends at `finished`, its `reply` and `return` are 0.
- A worker that died took its stamps along, and a server of somebody else's as the stage has none: the whole
  way from `sent` to the end is then `transit`.
- A phase is never negative. Where stamps run backwards (which no correct clock does) the phases are clipped
  at 0 and no longer add up: the difference is the residual, and a residual above 0 invalidates the cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchkit.records.samples import PHASES, Samples, Status

Column = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows of a cell, grouped by block (no row is copied)."""

    samples: Samples
    rows: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    """Where each block begins in `rows`."""
    blocks: tuple[int, ...]
    """The block number of each start."""

    def column(self, name: str) -> Column:
        """One column of the selected rows, shape (n,), int64."""
        return self.samples[name][self.rows].astype(np.int64, copy=False)

    def by_block(self, column: Column) -> list[Column]:
        """The column cut into its blocks."""
        return np.split(column, self.starts[1:]) if len(self.blocks) else []


def select(samples: Samples) -> Selection:
    """The rows that enter statistics: delivered and not warm-up."""
    return _grouped(samples, np.flatnonzero((samples["status"] == Status.DELIVERED) & ~samples["warmup"]))


def select_scheduled(samples: Samples) -> Selection:
    """The rows that were due in the measured part, whatever became of them."""
    return _grouped(samples, np.flatnonzero((samples["due"] != 0) & ~samples["warmup"]))


def _grouped(samples: Samples, rows: npt.NDArray[np.intp]) -> Selection:
    block = samples["block"][rows]
    if np.any(block[1:] < block[:-1]):
        order = np.argsort(block, kind="stable")
        rows, block = rows[order], block[order]
    starts = np.flatnonzero(np.diff(block, prepend=block[:1] - 1)) if len(block) else np.zeros(0, np.intp)
    return Selection(samples, rows, starts, tuple(int(number) for number in block[starts]))


def latency_ns(samples: Samples) -> Column:
    """`returned` (or `finished` where no reply came) minus `due`, shape (n,), int64."""
    return _end(_stamps(samples)) - _stamps(samples)("due")


def service_ns(samples: Samples) -> Column:
    """Like the latency, but from `taken`: what a closed-loop client would report; shape (n,), int64."""
    return _end(_stamps(samples)) - _stamps(samples)("taken")


def phases_ns(samples: Samples) -> Column:
    """The ten phases of each row, shape (n, 10) in the order of PHASES, int64, none negative."""
    table = np.empty((len(samples), len(PHASES)), np.int64)
    for index, phase in enumerate(phase_columns(_stamps(samples))):
        table[:, index] = phase
    return table


def phase_columns(stamp: Callable[[str], Column]) -> Iterator[Column]:
    """The ten phases one by one, so that few columns are in memory at once; `stamp` gives a column."""
    for begin, end in pairwise(_boundaries(stamp)):
        phase = end - begin
        yield np.maximum(phase, 0, out=phase)


def end_ns(stamp: Callable[[str], Column]) -> Column:
    """When each message was done: `returned`, else `finished`; shape (n,), int64."""
    return _end(stamp)


def _stamps(samples: Samples) -> Callable[[str], Column]:
    return lambda name: samples[name]


def _end(stamp: Callable[[str], Column]) -> Column:
    returned = stamp("returned")
    return np.where(returned == 0, stamp("finished"), returned)


def _boundaries(stamp: Callable[[str], Column]) -> Iterator[Column]:
    # Columns are asked for again rather than kept: ten million rows are 80 MB each.
    yield from (stamp("due"), stamp("taken"), stamp("encoded"))
    yield (send_end := _send_end(stamp))
    yield _queue_end(stamp, send_end)
    del send_end
    for name in ("received", "decoded", "started", "finished"):
        yield _reached(stamp, name)
    yield _reply_end(stamp)
    yield _end(stamp)


def _send_end(stamp: Callable[[str], Column]) -> Column:
    received, sent = _reached(stamp, "received"), stamp("sent")
    return np.where(sent == 0, received, np.minimum(sent, received))


def _queue_end(stamp: Callable[[str], Column], send_end: Column) -> Column:
    return np.minimum(np.maximum(stamp("asked"), send_end), _reached(stamp, "received"))


def _reply_end(stamp: Callable[[str], Column]) -> Column:
    finished, replied, returned = _reached(stamp, "finished"), stamp("replied"), stamp("returned")
    # A worker that died between replying and stamping leaves the whole way back to `return`.
    return np.where((replied == 0) | (returned == 0), finished, np.minimum(replied, returned))


def _reached(stamp: Callable[[str], Column], name: str) -> Column:
    """A stage's stamp, or the end of the message where it was never written."""
    column = stamp(name)
    missing = column == 0
    return np.where(missing, _end(stamp), column) if missing.any() else column
