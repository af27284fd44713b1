"""Every message of a trial in sets, after Jepsen's total-queue checker.

Jepsen (jepsen.checker/total-queue, https://jepsen-io.github.io/jepsen/jepsen.checker.html; read in
jepsen/src/jepsen/checker.clj) takes the values of a history as multisets: *attempts* are all enqueues invoked,
*enqueues* those that returned ok, *dequeues* those that returned ok, a drain at the end included. Then

* lost = enqueues minus dequeues: acknowledged and never came out;
* unexpected = dequeues of values that nobody attempted;
* duplicated = dequeues minus attempts minus unexpected: came out more often than it went in;
* recovered = (dequeues within attempts) minus enqueues: nobody said ok, and it came out all the same.

Its verdict is lost = unexpected = nothing; duplicates are told and not judged. Ours is the same but where we know
more, or promise more:

* a message is delivered when a worker got through with it (finished, or the stage raised): `receive` alone is a
  dequeue whose client may have crashed before it returned ok. `in_hand` tells how many of the lost were there;
* an enqueue that failed for certain (`rejected`) and comes out all the same is `disowned`, a lie of the transport
  and no luck; Jepsen counts it as recovered;
* values are told apart by number, so a message whose bytes are not those that were sent is `torn` and counts as
  no delivery; Jepsen's values are opaque;
* where the drain did not come to an end, what is missing is `unknown`; Jepsen leaves that to its reader ("queues
  only obey this property if the history includes draining them completely");
* order and closure are looked at too: `overtaken` among the messages of one worker that no fault had hold of, and
  `contradictions`, rows that cannot be what they say (numbers missing or twice, a delivery without a moment, stamps
  that run backwards). All of this is judged against what is declared, in `declared`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchkit.analysis.recovery.ends import (
    Column,
    Mask,
    acknowledged,
    attempted,
    caught,
    due_ns,
    handled_ns,
    load_until_ns,
    outages,
)
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations

NAMED: Final = 8
"""Numbers of messages that are named where something is wrong with them."""
_MOST_PRODUCERS: Final = 16
_NEEDS: Final = {
    "confirmed": "taken", "rejected": "taken", "returned": "taken", "sent": "taken",
    "started": "received", "finished": "received", "failed": "received", "acked": "received",
}  # fmt: skip
"""Stamps that there are only after another."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """Messages of one trial by what became of them."""

    attempted: int
    acknowledged: int
    refused: int
    """The transport said no."""
    delivered: int
    """Attempted ones that a worker got through with."""
    failed: int
    """Of those, the ones on which the stage only ever raised."""
    lost: int
    """Acknowledged and never delivered, all being drained."""
    in_hand: int
    """Of the lost, those that a worker had received: it died with them, or of them."""
    stray: int
    """Of the lost, those that no stretch of the fault had hold of."""
    unknown: int
    """Acknowledged and not delivered when the drain's time was up."""
    recovered: int
    """Neither acknowledged nor refused, and delivered."""
    duplicated: int
    """Further deliveries, those to other workers too."""
    unexpected: int
    """Delivered, and never attempted."""
    torn: int
    """Deliveries of bytes that nobody sent."""
    disowned: int
    """Refused, and delivered all the same."""
    overtaken: int
    """Delivered by a worker after a later one, though no fault had hold of either."""
    contradictions: int
    caught: int
    """Under way at some moment of the fault."""
    delayed: int | None = None
    """Later than the control ever is, as `Band.latency_ns` says; None without a band."""
    delayed_most_s: float | None = None
    """The latest of all delivered ones, from due to done."""
    drained_s: float | None = None
    """From the last due moment until the last message was done; None where the drain did not end."""
    examples: tuple[str, ...] = ()
    """Numbers of messages that are lost, unexpected, ...; a few of each."""


def accounted(trial: Trial, operations: Operations, limit_ns: float | None = None) -> Accounted:
    """The account of a trial; `limit_ns` is the latency from due beyond which a message is delayed."""
    tried, acked = attempted(operations), acknowledged(operations)
    refused = tried & (operations["rejected"] > 0)
    handled = handled_ns(operations)
    arrived = handled > 0
    delivered = tried & arrived
    missing = acked & ~arrived
    under_way = caught(operations, outages(trial, operations))
    unexpected = ~tried & (operations["deliveries"] > operations["torn"])
    sets: dict[str, Mask] = {
        "lost" if trial.drained else "unknown": missing,
        "unexpected": unexpected,
        "duplicated": tried & (operations["deliveries"] > 1),
        "disowned": refused & arrived,
        "torn": operations["torn"] > 0,
        "overtaken": _overtaken(operations, under_way),
        "contradictory": contradictory(operations),
    }
    latency = (handled - due_ns(operations))[delivered]
    since = delivered & (handled >= trial.injected_ns)
    return Accounted(
        attempted=_count(tried),
        acknowledged=_count(acked),
        refused=_count(refused),
        delivered=_count(delivered),
        failed=_count(delivered & (operations["finished"] == 0)),
        lost=_count(missing) if trial.drained else 0,
        in_hand=_count(missing & (operations["received"] > 0)) if trial.drained else 0,
        stray=_count(missing & ~under_way) if trial.drained else 0,
        unknown=0 if trial.drained else _count(missing),
        recovered=_count(delivered & ~acked & ~refused),
        duplicated=int(np.maximum(operations["deliveries"][tried] - 1, 0).sum()),
        unexpected=_count(unexpected),
        torn=trial.torn + int(operations["torn"].sum()),
        disowned=_count(sets["disowned"]),
        overtaken=_count(sets["overtaken"]),
        contradictions=_count(sets["contradictory"]) + missing_numbers(operations),
        caught=_count(under_way),
        delayed=None if limit_ns is None else _count((handled - due_ns(operations))[since] > limit_ns),
        delayed_most_s=float(latency.max()) / 1e9 if len(latency) else None,
        drained_s=_drained_s(operations) if trial.drained else None,
        examples=tuple(_examples(operations, sets)),
    )


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _drained_s(operations: Operations) -> float:
    last = int(handled_ns(operations).max(initial=0))
    return max(0.0, (last - load_until_ns(operations)) / 1e9)


def _examples(operations: Operations, sets: dict[str, Mask]) -> Iterator[str]:
    for name, mask in sets.items():
        numbers = operations["seq"][mask][:NAMED].tolist()
        if numbers:
            yield f"{name}: {', '.join(map(str, numbers))}{', ...' if _count(mask) > NAMED else ''}"


def _overtaken(operations: Operations, under_way: Mask) -> Mask:
    """Delivered after one with a higher number, by the same worker and from the same turn of the producer.

    Left out is what a fault had hold of: a broker may put what it takes back behind what came later (AMQP 0-9-1,
    basic.reject; Redis streams, XAUTOCLAIM), and what was delivered twice has no one place.
    """
    found = np.zeros(len(operations), np.bool_)
    calm = attempted(operations) & (operations["received"] > 0) & (operations["deliveries"] == 1) & ~under_way
    for worker in np.unique(operations["worker"][calm]).tolist():
        for turn in np.unique(operations["turn"][calm]).tolist():
            rows = np.flatnonzero(calm & (operations["worker"] == worker) & (operations["turn"] == turn))
            seq = operations["seq"][rows[np.argsort(operations["received"][rows], kind="stable")]]
            order = rows[np.argsort(operations["received"][rows], kind="stable")]
            found[order[seq < np.maximum.accumulate(seq)]] = True
    return found


def contradictory(operations: Operations) -> Mask:
    """Rows that cannot be what they say: an account with one of them does not close."""
    wrong = (operations["deliveries"] > 0) != ((operations["received"] > 0) | (operations["torn"] > 0))
    wrong |= operations["deliveries"] < operations["torn"]
    wrong |= (operations["replies"] > 0) != (operations["returned"] > 0)
    wrong |= (operations["worker"] >= 0) & (operations["deliveries"] == 0)
    for stamp, before in _NEEDS.items():
        there = operations[stamp] > 0
        wrong |= there & ((operations[before] == 0) | (operations[stamp] < operations[before]))
    tried = attempted(operations)
    wrong |= tried & (operations["received"] > 0) & (operations["received"] < operations["taken"])
    numbers, first = np.unique(operations["seq"], return_index=True)
    if len(numbers) < len(operations):
        again = np.ones(len(operations), np.bool_)
        again[first] = False
        wrong |= again
    found: Mask = wrong
    return found


def missing_numbers(operations: Operations) -> int:
    """Places of the schedule, from 0 to the last that was turned to, of which there is no row.

    Several producers share the numbers like cards and come to an end at different ones, so gaps are looked for among
    each one's own; how many there were is not told, and the number that leaves fewest gaps is taken.
    """
    seq = np.unique(operations["seq"][attempted(operations)])
    least = _gaps(seq, 1)
    for producers in range(2, _MOST_PRODUCERS + 1):
        if not least:
            break
        least = min(least, _gaps(seq, producers))
    return least


def _gaps(seq: Column, producers: int) -> int:
    own = [seq[seq % producers == each] for each in range(producers)]
    return sum(int(each[-1]) // producers + 1 - len(each) for each in own if len(each))
