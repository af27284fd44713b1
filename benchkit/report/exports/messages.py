"""The messages that an export shows, each with its phases as stretches of time and whose they are.

Of a cell with more messages than are asked for, half are the slowest, a tenth are those that failed, and the
rest lie evenly over the run: what is odd and what is usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.hops import messages_of
from benchkit.analysis.ledger import latency_ns, phases_ns
from benchkit.records.run import Cell, Run
from benchkit.records.samples import PHASES, STAMPS, Samples, Status

PRODUCER: Final = "producer"
IN_FLIGHT: Final = "in flight"
_AT_PRODUCER: Final = frozenset({"lateness", "encode", "send"})
_IN_FLIGHT: Final = frozenset({"queue", "transit", "return"})
_CHUNK: Final = 4096
_KNOWN: Final = {int(status): status for status in Status}


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of one message, on the clock of the stamps."""

    name: str
    begin_ns: int
    end_ns: int
    party: str
    """`producer`, `in flight`, `stage-0`, ..."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one hop."""

    cell: str
    seq: int
    hop: int
    status: str
    """`delivered`, or what became of it instead."""
    payload_bytes: int
    begin_ns: int
    end_ns: int
    phases: tuple[Phase, ...]
    """None of no length; none at all of a message that was not delivered."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A collection of garbage, or another event of a party."""

    cell: str
    party: str
    begin_ns: int
    duration_ns: int
    kind: str
    what: str


def messages(run: Run, most: int | None) -> Iterator[Message]:
    """At most so many of each cell (all where `most` is None), warm-up left out, in the order of their numbers."""
    for cell in run.cells:
        samples = run.samples.get(cell.id)
        if samples is None:
            continue
        whole = messages_of(cell, samples)
        rows = chosen(whole, most if most is None else max(1, most // max(1, len(cell.hops))))
        if cell.hops:
            yield from _by_hop(cell, samples[np.isin(samples["seq"], whole["seq"][rows])])
            continue
        for at in range(0, len(rows), _CHUNK):
            part = samples[rows[at : at + _CHUNK]]
            table = phases_ns(part)
            yield from (_message(cell.id, part[row], table[row]) for row in range(len(part)))


def _by_hop(cell: Cell, samples: Samples) -> Iterator[Message]:
    """Of a pipeline each row: one message on its way to one stage, with the parties of that way."""
    table, before = phases_ns(samples), {hop.name: hop.after for hop in cell.hops}
    workers: dict[str, str] = {"": PRODUCER}
    for at, row in enumerate(samples):
        name = cell.hops[int(row["hop"])].name
        workers[name] = f"{name}-{row['worker']}" if row["worker"] >= 0 else IN_FLIGHT
        yield _message(cell.id, row, table[at], (workers.get(before[name], IN_FLIGHT), workers[name]))


def chosen(samples: Samples, most: int | None) -> npt.NDArray[np.intp]:
    """Which rows are shown, ascending."""
    measured = (samples["due"] != 0) & ~samples["warmup"]
    delivered = np.flatnonzero(measured & (samples["status"] == Status.DELIVERED))
    failed = np.flatnonzero(measured & (samples["status"] != Status.DELIVERED))
    if most is None or len(delivered) + len(failed) <= most:
        return np.sort(np.concatenate([delivered, failed]))
    failed = failed[: max(1, most // 10)]
    left = most - len(failed)
    latency = latency_ns(samples[delivered])
    slowest = delivered[np.argsort(latency, kind="stable")[len(delivered) - min(left // 2, len(delivered)) :]]
    rest = np.setdiff1d(delivered, slowest)
    evenly = (
        rest[np.linspace(0, len(rest), left - len(slowest), endpoint=False).astype(int)]
        if len(rest)
        else rest
    )
    return np.sort(np.concatenate([failed, slowest, evenly]))


def events(run: Run) -> Iterator[Collected]:
    """What else happened at known moments, block by block."""
    for block in run.blocks:
        for each in block.events:
            yield Collected(block.cell, each.party, each.at_ns, each.duration_ns, each.kind, each.what)


def _message(
    cell: str, row: np.void, lengths: npt.NDArray[np.int64], parties: tuple[str, str] | None = None
) -> Message:
    """`parties`: who sent it and who worked on it, where they are not the producer and the one stage."""
    begin = int(row["due"])
    status = _KNOWN.get(int(row["status"]), Status.PENDING)
    phases: tuple[Phase, ...] = ()
    if status is Status.DELIVERED:
        ends = begin + np.cumsum(lengths)
        phases = tuple(
            Phase(
                name, end - length, end, _party(name, *(parties or (PRODUCER, _worker(int(row["worker"])))))
            )
            for name, length, end in zip(PHASES, lengths.tolist(), ends.tolist(), strict=True)
            if length
        )
        end = int(ends[-1])
    else:
        end = max(begin, *(int(row[stamp]) for stamp in STAMPS))
    return Message(
        cell, int(row["seq"]), int(row["hop"]), status.name.lower().replace("_", "-"), int(row["payload_bytes"]),
        begin, end, phases,
    )  # fmt: skip


def _party(phase: str, sender: str, worker: str) -> str:
    if phase in _AT_PRODUCER:
        return sender
    return IN_FLIGHT if phase in _IN_FLIGHT else worker


def _worker(number: int) -> str:
    # Whose a message is whose worker is not known: it died, or it is somebody else's server.
    return IN_FLIGHT if number < 0 else f"stage-{number}"
