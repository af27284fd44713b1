"""Single messages, with what else happened at that moment: a typical one and the slowest five of a cell.

What is said of a message's surroundings is what stamps and events show, and no more. Which message waited for a
core at which moment no kernel tells, so how long the process did is said of its whole block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from benchkit.analysis.accounts import Accounts
from benchkit.analysis.ledger import phases_ns
from benchkit.analysis.slow import Slow
from benchkit.analysis.strips import layout
from benchkit.records.run import Block
from benchkit.records.samples import PHASES, STAMPS, Samples
from benchkit.records.seen import Event
from benchkit.units import show_us

_NEARBY: Final = 20_000
"""Rows before and after a message that are looked at: what was under way with it stands close to it."""
_NAMED: Final = 3
_WAITED: Final = 0.05
"""From this share on, waiting for a core is worth saying."""
_LONG: Final = 2.0
"""Latencies of neighbours, over the typical one, that are slow as well."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One message."""

    kind: str
    """`typical` or `slow`."""
    sample: Mapping[str, int]
    """Its stamps, `seq`, `worker` and `block`."""
    phases_ns: tuple[int, ...]
    """In the order of PHASES; they add up to the latency."""
    at_s: float
    """Its due moment, from its block's beginning."""
    meanwhile: tuple[str, ...]
    """What else happened, in words, what took longest first."""


def exemplars(
    found: Slow, blocks: Sequence[Block], samples: Samples, *, producers: int = 1
) -> list[Exemplar]:
    """The typical message, then the slowest ones."""
    by_index = {block.index: block for block in blocks}
    places = layout(samples)
    starts = {int(number): int(start) for number, start in zip(places.numbers, places.starts, strict=False)}
    stops = {int(number): int(stop) for number, stop in zip(places.numbers, places.starts[1:], strict=True)}
    typical_ns = found.typical.latency_ns // found.typical.count
    made = []
    for kind, row in [("typical", found.typical_row), *(("slow", row) for row in found.slowest_rows)]:
        own = samples[row]
        number = int(own["block"])
        # Where the samples were in another order of blocks, neighbours are looked for among all rows.
        first, last = (starts[number], stops[number]) if places.samples is samples else (0, len(samples))
        near = samples[max(first, row - _NEARBY) : min(last, row + _NEARBY + 1)]
        near = near[near["block"] == number]
        block = by_index.get(number)
        made.append(_exemplar(kind, samples[row : row + 1], near, block, typical_ns, producers))
    return made


def _exemplar(
    kind: str, own: Samples, near: Samples, block: Block | None, typical_ns: int, producers: int
) -> Exemplar:
    stamps = {name: int(own[name][0]) for name in (*STAMPS, "seq", "worker", "block")}
    phases = tuple(int(each) for each in phases_ns(own)[0])
    message = _Message(stamps, phases)
    said = [
        *message.events(block.events if block else ()),
        *_in_stage(message, near),
        *_under_way(message, near, producers),
        *(_neighbours(message, near, typical_ns) if kind == "slow" else ()),
        *(_waits(block, message) if block else ()),
    ]
    began_ns = block.started_ns if block else int(near["due"].min())
    return Exemplar(kind, stamps, phases, (stamps["due"] - began_ns) / 1e9, tuple(said))


@dataclass(frozen=True, slots=True)
class _Message:
    stamps: Mapping[str, int]
    phases_ns: tuple[int, ...]

    @property
    def due(self) -> int:
        return self.stamps["due"]

    @property
    def end(self) -> int:
        return self.stamps["returned"] or self.stamps["finished"]

    def overlap(self, begin: int, end: int) -> dict[str, int]:
        """How much of each phase lies within a stretch; phases without any are left out."""
        edges = np.concatenate(([self.due], self.due + np.cumsum(self.phases_ns))).tolist()
        found = {
            name: min(last, end) - max(first, begin)
            for name, (first, last) in zip(PHASES, pairwise(edges), strict=True)
        }
        return {name: ns for name, ns in found.items() if ns > 0}

    def events(self, events: Sequence[Event]) -> Iterator[str]:
        """What overlaps its life, the longest first; of something at an unknown moment only that it was."""
        met = [each for each in events if each.at_ns < self.end and each.at_ns + each.duration_ns > self.due]
        for each in sorted(met, key=lambda event: -event.duration_ns)[:_NAMED]:
            if each.kind == "broker":
                yield f"{each.party}, at some moment of this block: {each.what}"
                continue
            over = self.overlap(each.at_ns, each.at_ns + max(1, each.duration_ns))
            phase = max(over, key=lambda name: over[name], default="")
            within = f" in its {phase}" if phase else ""
            what = "garbage collection" if each.kind == "gc" else each.kind
            yield f"{what} of {show_us(each.duration_ns / 1e3)} in {each.party}{within}: {each.what}"


def _in_stage(message: _Message, near: Samples) -> Iterator[str]:
    """Messages that its worker had before it while it waited."""
    queue = message.phases_ns[PHASES.index("queue")]
    if not queue or message.stamps["worker"] < 0:
        return
    until = message.stamps["asked"]
    since = until - queue
    others = near[(near["worker"] == message.stamps["worker"]) & (near["seq"] != message.stamps["seq"])]
    before = others[(others["received"] < until) & (others["received"] != 0) & (others["replied"] > since)]
    if not len(before):
        return
    longest = before[int(np.argmax(before["replied"] - before["received"]))]
    took = show_us(int(longest["replied"] - longest["received"]) / 1e3)
    whole = show_us(queue / 1e3)
    if len(before) == 1:
        yield f"stage-{message.stamps['worker']} had message {longest['seq']} for {took} while it waited {whole}"
    else:
        yield (
            f"stage-{message.stamps['worker']} had {len(before)} messages before it while it waited {whole}, "
            f"the longest of them for {took}"
        )


def _under_way(message: _Message, near: Samples, producers: int) -> Iterator[str]:
    """Messages that had been sent and had not come back when its producer turned to it."""
    at = message.stamps["taken"]
    end = np.where(near["returned"] != 0, near["returned"], near["finished"])
    # What never came back is under way until nobody waits for it any more.
    sent = (near["sent"] != 0) & (near["sent"] <= at) & (near["seq"] != message.stamps["seq"])
    count = int(np.count_nonzero(sent & ((end > at) | (end == 0))))
    if count:
        whose = " of all producers" if producers > 1 else ""
        yield f"{count} other message{'s' if count > 1 else ''}{whose} under way when it was taken"


def _neighbours(message: _Message, near: Samples, typical_ns: int) -> Iterator[str]:
    """How many messages in a row around it were slow as well: one moment's trouble, or its own."""
    at = int(np.flatnonzero(near["seq"] == message.stamps["seq"])[0])
    end = np.where(near["returned"] != 0, near["returned"], near["finished"])
    long = (end - near["due"] > _LONG * typical_ns) & (end != 0)
    if not long[at]:
        return
    before = int(np.argmin(long[at::-1])) if not long[at::-1].all() else at + 1
    after = int(np.argmin(long[at:])) if not long[at:].all() else len(long) - at
    if before + after > 2:
        yield f"one of {before + after - 1} messages in a row that took more than twice as long as a typical one"


def _waits(block: Block, message: _Message) -> Iterator[str]:
    """The processes that waited for a core a good part of their time, over the whole block."""
    own = {"broker", f"stage-{message.stamps['worker']}"}
    for party, used in block.parties.items():
        share = Accounts((used,)).runnable_share
        if share is not None and share >= _WAITED and (party in own or party.startswith("producer")):
            yield f"{party} had no core for {share:.0%} of the time in which it wanted one, over the whole block"


def as_document(each: Exemplar) -> dict[str, Any]:
    """One entry of a cell's `exemplars` in run.json.

    `phases_us` by phase, in their order, adds up to `latency_us`: each begins where the one before it ended, from
    the due moment on, `at_s` seconds after its block's beginning. `meanwhile` is a list of sentences.
    """
    return {
        "kind": each.kind,
        "seq": each.sample["seq"],
        "block": each.sample["block"],
        "worker": each.sample["worker"] if each.sample["worker"] >= 0 else None,
        "at_s": each.at_s,
        "latency_us": sum(each.phases_ns) / 1e3,
        "phases_us": {name: ns / 1e3 for name, ns in zip(PHASES, each.phases_ns, strict=True)},
        "meanwhile": list(each.meanwhile),
    }
