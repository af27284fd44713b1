"""Columns of all parties, joined by sequence number: samples, and what no sample can hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.engine.worker import COLUMNS, ROW_DROPPED
from benchkit.records.samples import SAMPLE, STAGE_STAMPS, Samples, Status

Columns = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Joined:
    """One block's samples and what was seen beside them."""

    samples: Samples
    duplicated: int
    reordered: int
    unexpected: int


def producer_columns(raw: Mapping[str, bytes]) -> Columns:
    """From the channel; `status` is one byte a message."""
    return {
        name: np.frombuffer(data, np.int8).astype(np.int64)
        if name == "status"
        else np.frombuffer(data, np.int64)
        for name, data in raw.items()
    }


def worker_columns(raw: Mapping[str, bytes]) -> Columns:
    """From the channel."""
    return {name: np.frombuffer(raw[name], np.int64) for name in COLUMNS}


def join(
    producer: Columns, workers: Sequence[Columns], *, block: int, first_seq: int, warmup_messages: int, replies: bool,
    payload_bytes: int, gave_up: bool, producers: int = 1, silent: Collection[int] = (),
) -> Joined:  # fmt: skip
    """Samples of shape (n,), one per scheduled message, in the order of the producer's columns.

    Numbers follow each other from `first_seq` on, unless there are several producers and the column `seq` says
    which they are; those in between were never given. Of `producers`, the numbers of the `silent` ones (which
    died with their columns) are nobody's: what arrives with them is neither expected nor unexpected.

    A message received twice keeps the stamps of the delivery that was replied to first. What was sent but
    never came back is lost; what was never sent, or was still under way when the drain was given up
    (`gave_up`), is pending.
    """
    count = len(producer["due"])
    samples = np.zeros(count, SAMPLE)
    samples["seq"] = producer.get("seq", np.arange(first_seq, first_seq + count))
    samples["block"] = block
    samples["worker"] = -1
    samples["payload_bytes"] = payload_bytes
    samples["warmup"][:warmup_messages] = True
    for name in ("due", "taken", "encoded", "sent", "returned"):
        samples[name] = producer[name]

    ok = np.zeros(count, np.int64)
    again = producer.get("again", np.zeros(count, np.int64))
    deliveries = np.zeros(count, np.int64)
    duplicated = moved = unexpected = 0
    order = np.argsort(samples["seq"], kind="stable")
    for number, rows in enumerate(workers):
        index, known = rows_of(samples["seq"], order, rows["seq"])
        sender = (rows["seq"] - first_seq) % producers
        unexpected += int(np.count_nonzero(~known & ~np.isin(sender, list(silent))))
        # Each producer's messages keep their order; how those of different ones mix is nobody's promise.
        # What was sent again comes after later ones, and maybe twice: it was asked for.
        once = known & (again[index] == 0) if count else known
        moved += sum(reordered(rows["seq"][once & (sender == each)]) for each in range(producers))
        np.add.at(deliveries, index[known], 1)
        duplicated += _write(
            samples, ok, {name: column[known] for name, column in rows.items()}, index[known], number
        )
    duplicated -= int(np.minimum(again, np.maximum(0, deliveries - 1)).sum())
    samples["status"] = _status(samples, producer["status"], ok, replies=replies, gave_up=gave_up)
    return Joined(samples, duplicated, moved, unexpected)


def rows_of(
    seq: npt.NDArray[np.int64], order: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where each of `wanted` stands in `seq`, which `order` sorts, and whether it is there at all."""
    if not len(seq):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    at = np.searchsorted(seq, wanted, sorter=order)
    index = order[np.minimum(at, len(seq) - 1)]
    return index, seq[index] == wanted


def reordered(seq: npt.NDArray[np.int64]) -> int:
    """Messages that came after one with a higher number."""
    if not len(seq):
        return 0
    return int(np.count_nonzero(seq < np.maximum.accumulate(seq)))


def _write(
    samples: Samples, ok: npt.NDArray[np.int64], rows: Columns, index: npt.NDArray[np.int64], worker: int
) -> int:
    """Fill in one worker's stamps where they are the first; returns how many were not."""
    order = np.argsort(rows["replied"], kind="stable")
    ordered = index[order]
    _, first = np.unique(ordered, return_index=True)
    chosen = order[first]
    target = index[chosen]
    earlier = samples["replied"][target]
    better = (earlier == 0) | (rows["replied"][chosen] < earlier)
    duplicates = len(index) - len(chosen) + int(np.count_nonzero(earlier != 0))
    chosen, target = chosen[better], target[better]
    for name in STAGE_STAMPS:
        samples[name][target] = rows[name][chosen]
    samples["worker"][target] = worker
    ok[target] = rows["ok"][chosen]
    return duplicates


def _status(
    samples: Samples, told: npt.NDArray[np.int64], ok: npt.NDArray[np.int64], *, replies: bool, gave_up: bool
) -> npt.NDArray[np.int64]:
    handled = samples["replied"] != 0
    # A reply whose worker died with its columns was delivered all the same; it has no stage stamps.
    complete = (samples["returned"] != 0) if replies else handled
    not_ok = np.where(ok == ROW_DROPPED, int(Status.DROPPED), int(Status.DEAD_LETTERED))
    status = np.where(
        complete & ((ok == 1) | ~handled), int(Status.DELIVERED),
        np.where(
            complete, not_ok,
            np.where((samples["sent"] == 0) | gave_up, int(Status.PENDING), int(Status.LOST)),
        ),
    )  # fmt: skip
    return np.where(told != 0, told, status)
