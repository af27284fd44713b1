"""Columns of a pipeline's parties, joined hop by hop: one row for each message and hop that it was on its way to.

A hop's rows are made as one stage's are (`engine.join`): in the producer's place stands the worker before it, whose
`finished` is the hop's `due`. So the hops of a message follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.engine.forwarding import WAY_COLUMNS
from benchkit.engine.join import Columns, Joined, join, reordered, rows_of, worker_columns
from benchkit.records.samples import Samples, Status

Told = Mapping[str, Any]
_PRODUCED: Final = ("due", "taken", "encoded", "sent", "returned", "status")


def join_chain(
    producer: Columns, hops: Sequence[Sequence[Told]], names: Sequence[str], afters: Sequence[int], *, block: int,
    first_seq: int, warmup_messages: int, payload_bytes: int, gave_up: bool, producers: int = 1,
    silent: Collection[int] = (),
) -> Joined:  # fmt: skip
    """Rows of shape (n,), message after message, of each the hops in their order.

    `hops` holds what the workers of each hop tell, those that died left out. A message has a row of a hop where the
    stage before it finished with it, or where the hop's workers saw it (the worker before may have died since).
    """
    common: dict[str, Any] = {"block": block, "gave_up": gave_up, "replies": False}
    parsed = [[worker_columns(told["columns"]) for told in each] for each in hops]
    whole = join(
        producer, parsed[0], first_seq=first_seq, warmup_messages=warmup_messages, payload_bytes=payload_bytes,
        producers=producers, silent=silent, **common,
    )  # fmt: skip
    found = [whole.samples]
    duplicated, moved, unexpected = whole.duplicated, whole.reordered, whole.unexpected
    for hop in range(1, len(hops)):
        before = found[afters[hop]]
        way = _way(before, hops[afters[hop]], parsed[afters[hop]], names[hop])
        there = _on_their_way(before, parsed[hop])
        handed = {name: way[name][there] for name in _PRODUCED}
        own = join(
            {"seq": before["seq"][there], **handed}, parsed[hop], first_seq=0, warmup_messages=0,
            payload_bytes=0, **common,
        )  # fmt: skip
        own.samples["hop"] = hop
        own.samples["payload_bytes"] = way["payload_bytes"][there]
        own.samples["warmup"] = before["warmup"][there]
        found.append(own.samples)
        duplicated, unexpected = duplicated + own.duplicated, unexpected + own.unexpected
        moved += _reordered(own.samples, before[there], parsed[hop])
    return Joined(_together(found), duplicated, moved, unexpected)


def _way(before: Samples, told: Sequence[Told], rows: Sequence[Columns], name: str) -> Columns:
    """What the workers of the hop before wrote of handing on, by message: of the delivery that its row is of."""
    count = len(before)
    found = {column: np.zeros(count, np.int64) for column in (*_PRODUCED, "payload_bytes")}
    order = np.argsort(before["seq"], kind="stable")
    for number, (worker, own) in enumerate(zip(told, rows, strict=True)):
        table = np.frombuffer(worker["onward"][name], np.int64).reshape(-1, len(WAY_COLUMNS))
        index, known = rows_of(before["seq"], order, own["seq"])
        kept = known & (before["worker"][index] == number) & (before["replied"][index] == own["replied"])
        for at, column in enumerate(WAY_COLUMNS):
            found[column][index[kept]] = table[kept, at]
    found["due"] = np.where(found["taken"] != 0, before["finished"], 0)
    return found


def _on_their_way(before: Samples, rows: Sequence[Columns]) -> npt.NDArray[np.bool_]:
    """Which messages were on their way to a hop. What only its own workers know of was finished before, too."""
    seen = (
        np.isin(before["seq"], np.concatenate([own["seq"] for own in rows]))
        if rows
        else np.zeros(0, np.bool_)
    )
    handled = before["replied"] != 0
    if rows:
        before["status"][seen & ~handled] = Status.DELIVERED
    return np.asarray(before["status"] == Status.DELIVERED)


def _reordered(own: Samples, before: Samples, rows: Sequence[Columns]) -> int:
    """Messages that a worker got after one that the same sender had sent later."""
    order = np.argsort(own["seq"], kind="stable")
    total = 0
    for columns in rows:
        index, known = rows_of(own["seq"], order, columns["seq"])
        index = index[known]
        for sender in np.unique(before["worker"][index]).tolist():
            total += reordered(own["sent"][index[before["worker"][index] == sender]])
    return total


def _together(found: Sequence[Samples]) -> Samples:
    """In the order of the first hop's messages."""
    place = np.empty(len(found[0]), np.int64)
    order = np.argsort(found[0]["seq"], kind="stable")
    place[:] = np.arange(len(found[0]))
    messages = [place]
    for own in found[1:]:
        index, _ = rows_of(found[0]["seq"], order, own["seq"])
        messages.append(place[index])
    whole = np.concatenate(list(found))
    return whole[np.lexsort((whole["hop"], np.concatenate(messages)))]
