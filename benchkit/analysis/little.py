"""Little's law as a check: numbers that were counted, beside the same numbers by the stamps.

The number of messages in the system is known twice. The producer counts, without any clock: one more when a
message is sent, one less when its reply is seen; what it had under way whenever it turned to the next message
is in `Block.in_flight`. The stamps tell it as well: how many of the messages that were sent had not returned
by `taken`. Both are of the same thread at the same moments, so they agree to the message. The throughput is
known twice, too: messages that the workers counted, and messages that have a worker's stamps.

So of a healthy block `L = X R` holds with L by the producer's count, X by the workers' and R by the stamps: L
is the mean number in the system by the stamps, corrected by what the count says of it. Where one side misses
messages, or stamps are not what happened (a clock that was set, rows of another block, a file that was
changed), it does not.

A block is looked at from its first due moment to its last end, warm-up and drain included: it is empty at both,
and nothing is cut at its edges. One in which messages were lost, refused or came twice, or a party died, is
no such stretch and left out. Without replies nobody knows what is under way, and the throughput alone is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchkit.analysis.ledger import Column
from benchkit.analysis.strips import Layout, cut
from benchkit.analysis.strips import layout as layout_of
from benchkit.records.run import Block
from benchkit.records.samples import Samples, Status
from benchkit.records.seen import InFlight
from benchkit.words import say

TOLERATED: Final = 0.01
"""The two sides are equal in a healthy block; one message in a hundred is no rounding."""
_LEAST: Final = 0.01
"""Of the mean number in flight: less than that is nothing to have a share of."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One block: sums, so that blocks can be added up."""

    block: int
    span_ns: int
    """From the first due moment to the last end."""
    time_ns: int
    """Of all messages from due to end: the integral of the number in the system."""
    stamped: int
    """Messages with a worker's stamps; all of them where no worker is ours."""
    counted: int
    """Messages that the workers counted."""
    sends: int
    in_flight_counted: int
    in_flight_stamped: int
    """Under way when the producer turned to a message, summed over the sends."""

    @property
    def ratio(self) -> float:
        """L over X R: 1 where both sides agree."""
        return self.in_system * self.throughput

    @property
    def in_system(self) -> float:
        """Messages in flight as they were counted, over those by the stamps."""
        if max(self.in_flight_counted, self.in_flight_stamped) <= _LEAST * self.sends:
            return 1.0
        return self.in_flight_counted / max(1, self.in_flight_stamped)

    @property
    def throughput(self) -> float:
        """Messages by the stamps, over those that the workers counted."""
        return self.stamped / max(1, self.counted)

    @property
    def violated(self) -> bool:
        """The law does not hold, also where one side's error would hide the other's."""
        return max(abs(self.in_system - 1), abs(self.throughput - 1)) > TOLERATED


@dataclass(frozen=True, slots=True)
class Little:
    """The law in one cell."""

    blocks: tuple[Checked, ...]
    left_out: Mapping[int, str]
    """Blocks that tell nothing, with the reason."""

    @property
    def violated(self) -> tuple[Checked, ...]:
        """The blocks in which it does not hold."""
        return tuple(each for each in self.blocks if each.violated)


def little(blocks: Sequence[Block], samples: Samples, *, producers: int = 1) -> Little:
    """Each block looked at by itself; `samples` of shape (n,), those of one cell."""
    found, left_out = [], {}
    places = layout_of(samples)
    rows = {int(number): at for at, number in enumerate(places.numbers)}
    for block in blocks:
        at = rows.get(block.index)
        why = _unfit(block) or ("" if at is not None else say("it has no messages"))
        checked = None if why or at is None else _checked(block, places, at, producers)
        if checked is None:
            left_out[block.index] = why or say("messages were not delivered")
        else:
            found.append(checked)
    return Little(tuple(found), left_out)


def _unfit(block: Block) -> str:
    """Why a block tells nothing, before its messages are looked at; empty where it may."""
    if block.in_flight is None and block.handled is None:
        return say("nobody counted its messages")
    if block.failures or not block.drained:
        return say("it was cut short")
    if block.traffic is not None and (block.traffic.retries or block.traffic.timed_out):
        return say("messages were sent again or given up")
    if block.duplicated or block.unexpected or block.foreign:
        return say("messages came twice or from elsewhere")
    return ""


def _checked(block: Block, places: Layout, at: int, producers: int) -> Checked | None:
    """None where a message was not delivered. Two passes, so that few columns are in memory at once."""
    counted = block.in_flight or InFlight(0, 0)
    first, last = int(places.starts[at]), int(places.starts[at + 1])
    taken: list[list[Column]] = [[] for _ in range(producers)]
    time_ns = stamped = 0
    began, ended = np.iinfo(np.int64).max, 0
    for _, strip in cut(places.samples, first, last):
        if np.any(strip["status"] != Status.DELIVERED):
            return None
        end = np.maximum(strip["returned"], strip["finished"])
        time_ns += int((end - strip["due"]).sum())
        stamped += int(np.count_nonzero(strip["started"]))
        began, ended = min(began, int(strip["due"].min())), max(ended, int(end.max()))
        for producer, own in _by_producer(strip, producers):
            taken[producer].append(own["taken"].astype(np.int64))
    moments = [np.concatenate(parts) for parts in taken]
    return Checked(
        block=block.index,
        span_ns=ended - began,
        time_ns=time_ns,
        stamped=stamped if block.handled is not None else last - first,
        counted=block.handled if block.handled is not None else last - first,
        sends=counted.sends,
        in_flight_counted=counted.seen,
        in_flight_stamped=_seen(moments, places.samples, first, last) if block.in_flight else 0,
    )


def _by_producer(strip: Samples, producers: int) -> Iterator[tuple[int, Samples]]:
    """Numbers are dealt out in turn: those of one producer leave the same remainder."""
    if producers == 1:
        yield 0, strip
        return
    remainder = strip["seq"] % producers
    for each in range(producers):
        yield each, strip[remainder == each]


def _seen(taken: Sequence[Column], samples: Samples, first: int, last: int) -> int:
    """Messages under way at each `taken` of the same producer, summed: those sent before less those returned."""
    taken = [np.sort(own) if np.any(own[1:] < own[:-1]) else own for own in taken]
    seen = sum(len(own) * (len(own) - 1) // 2 for own in taken)
    for _, strip in cut(samples, first, last):
        for producer, own in _by_producer(strip, len(taken)):
            # A reply is missing from what is under way at every later `taken`.
            later = np.searchsorted(taken[producer], own["returned"], side="left")
            seen -= len(taken[producer]) * len(own) - int(later.sum())
    return seen


def as_document(found: Little) -> dict[str, Any] | None:
    """The `little` of run.json, all blocks together; None where no block tells anything."""
    if not found.blocks:
        return None
    time_ns, span_ns = (sum(getattr(each, name) for each in found.blocks) for name in ("time_ns", "span_ns"))
    stamped, counted, sends = (
        sum(getattr(each, name) for each in found.blocks) for name in ("stamped", "counted", "sends")
    )
    seen = [
        sum(getattr(each, name) for each in found.blocks) / sends if sends else None
        for name in ("in_flight_counted", "in_flight_stamped")
    ]
    return {
        "mean_in_system": time_ns / span_ns if span_ns else None,
        "throughput_per_s": counted / span_ns * 1e9 if span_ns else None,
        "mean_latency_us": time_ns / stamped / 1e3 if stamped else None,
        "in_flight_counted": seen[0],
        "in_flight_stamped": seen[1],
        "ratio": [min(each.ratio for each in found.blocks), max(each.ratio for each in found.blocks)],
        "violated": [each.block for each in found.violated],
        "left_out": {str(block): why for block, why in found.left_out.items()},
    }
