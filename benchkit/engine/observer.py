"""What observing costs: stamps, checksums and the progress display, each switched off in interleaved blocks.

A block without stamps has none to take its time per message from. So every block is a closed loop with one
message in flight, and time per message is time between two `returned` over the number of messages between
them: `returned` is kept in all variants, because a closed loop goes by it. So nine of a message's ten stamps
are switched off (`taken`, `encoded`, `sent` and the worker's six); what a stamp costs is a ninth of the
difference, and it is timed alone as well. For the display, which works a few times a second, it is the time of
the whole block; for stamps and checksums the median over windows of 128 messages, each of which holds one full
checksum, so that what interrupts a block now and then does not decide.

Variants are measured in rounds, in a seeded random order, those of a cell next to each other (no machine stays
the same for long), and are compared round by round: the share is the median of 1 - off/on over the rounds, its
interval the order-statistic one (`analysis.intervals`), which no single upset round can move. Blocks differ by
more than stamps and checksums cost (a fresh segment lies elsewhere in the caches), so these are timed as well
where they are spent: the worker's checks by its own clock, giving the memory back included, and so many stamps
as a message has at what one takes alone. That is the figure which is held to the bar. Where there are
two cores the ends are pinned, one each: otherwise the scheduler's choice of one core or two would be most of
the difference. A share may be slightly negative: then it is less than the machine's noise lets one see.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

import numpy as np

from benchkit.analysis.intervals import Interval, order_ranks
from benchkit.engine import placement
from benchkit.engine.block import run_block
from benchkit.engine.crew import Crew, crew
from benchkit.engine.ready import ReadyCell, make_ready
from benchkit.engine.runner import Progress, Watch
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.errors import BenchkitError
from benchkit.load.closed import Closed
from benchkit.records.samples import STAMPS, Samples, Status, next_seq
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.sources.base import Source
from benchkit.sources.camera import Camera
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Transport
from benchkit.transports.inproc import Inproc
from benchkit.transports.shm import Shm

ROUNDS: Final = 9
"""The fewest whose interval survives one upset round; 135 blocks, about 20 s together."""
BLOCK_S: Final = 0.08
CHECKSUM_EVERY: Final = 128
"""The scenarios' default: one message in so many is read whole; and so many make a window."""
SWITCHED_OFF: Final = 9
FRAME_SHARE: Final = 0.05
"""Stamps and checksums may cost this much of a frame's latency through shared memory."""
STAMP_NS: Final = 1000.0
"""And a stamp this much."""
_STAMPS_TIMED: Final = 20_000
_LEAST_ROUNDS: Final = 2
_LEAST_MESSAGES: Final = 2
_ATTEMPTS: Final = 10
_HALF: Final = Fraction(1, 2)

Verdict = Literal["kept", "broken", "undecided"]
Display = Callable[[], AbstractContextManager[Watch]]
"""The progress display as a run shows it, on while it is entered."""


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds per message of one block."""

    whole_us: float
    window_us: float
    """Median over windows of CHECKSUM_EVERY messages; the whole block's where it holds less than one."""
    timed_us: float = 0.0
    """Stamps and checksums as they were timed where they are spent."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is on while a block is measured."""

    stamps: bool = True
    checksums: bool = True
    display: bool = False


_DISPLAY: Final = "progress display"
TIMED: Final = "both, timed directly"
_VARIANTS: Final[Mapping[str, Variant]] = {
    "full": Variant(),
    "no stamps": Variant(stamps=False),
    "no checksums": Variant(checksums=False),
    "neither": Variant(stamps=False, checksums=False),
    "display": Variant(display=True),
}
_COMPARED: Final = (
    ("stamps", "full", "no stamps"),
    ("checksums", "full", "no checksums"),
    ("stamps and checksums", "full", "neither"),
    (_DISPLAY, "display", "full"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one part of observing costs a message."""

    cell: str
    payload_bytes: int
    part: str
    on_us: float
    """Time per message with it, median over the rounds; without it in `off_us`."""
    off_us: float
    share: float
    """1 - off/on, the median over the rounds."""
    share_ci95: Interval | None
    """None with fewer than six rounds."""
    rounds: int


@dataclass(frozen=True, slots=True)
class Observer:
    """Everything that was found."""

    costs: tuple[Cost, ...]
    stamp_ns: float
    """One stamp timed alone: a clock read stored in a column."""
    seconds: float

    @property
    def frame(self) -> Cost:
        """Stamps and checksums of the largest payload, timed where they are spent."""
        largest = max(self.costs, key=lambda cost: cost.payload_bytes).payload_bytes
        return next(c for c in self.costs if (c.payload_bytes, c.part) == (largest, TIMED))

    @property
    def frame_verdict(self) -> Verdict:
        """By the whole interval: on a busy machine the bar may lie within it."""
        low, high = self.frame.share_ci95 or (-1.0, 1.0)
        return "kept" if high < FRAME_SHARE else "broken" if low > FRAME_SHARE else "undecided"

    @property
    def stamp_verdict(self) -> Verdict:
        """Timed alone, the best of five: what disturbs it only adds."""
        return "kept" if self.stamp_ns <= STAMP_NS else "broken"


def cells() -> list[PlannedCell]:
    """64 bytes through `inproc` and `shm`, and a 1080p frame through `shm`; the null stage answers."""
    small = Sensors(samples=4, channels=4, distinct=8)
    frame = Camera(size="1920x1080", distinct=2)
    return [
        _planned("inproc 64 B", small, Inproc(depth=1)),
        _planned("shm 64 B", small, Shm(depth=2)),
        _planned("shm 6.2 MB", frame, Shm(depth=2)),
    ]


def _planned(name: str, source: Source, transport: Transport) -> PlannedCell:
    return PlannedCell(
        id=name, group=name, source=source, codec=Raw(), transport=transport, stage=Null(),
        load=Closed(in_flight=1), workers=1, batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip


def observe(
    display: Display | None = None,
    *,
    chosen: Sequence[PlannedCell] | None = None,
    rounds: int = ROUNDS,
    block_s: float = BLOCK_S,
    seed: int = 0,
    watch: Watch = lambda _: None,
) -> Observer:
    """Measure; without `display` its cost is left out. `watch` is told before each block.

    Raises BenchkitError when a cell cannot be measured here.
    """
    began, a_stamp_ns = time.monotonic(), stamp_ns()
    variants = {name: v for name, v in _VARIANTS.items() if display is not None or not v.display}
    planned = list(cells() if chosen is None else chosen)
    plan = _plan(planned, rounds, block_s, seed)
    with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
        members.place(_apart(placement.cores()))
        site = Site(name, folder, services)
        ready = [make_ready(members, plan, cell) for cell in planned]
        members.dismiss("oracle")
        found: dict[tuple[str, str], dict[int, Times]] = {}
        order = list(_order(len(ready), list(variants), rounds, seed))
        for position, (index, variant, round_) in enumerate(order):
            now = Progress("measuring", position, len(order), ready[index].cell.id)
            watch(now)
            shown = (
                display() if display is not None and variants[variant].display else nullcontext(_unwatched)
            )
            with shown as show:
                show(now)
                taken = _insisted(members, site, plan, ready[index], variants[variant], position)
                if taken:
                    taken = replace(taken, timed_us=taken.timed_us + len(STAMPS) * a_stamp_ns / 1e3)
            found.setdefault((ready[index].cell.id, variant), {}).update({round_: taken} if taken else {})
    sizes = {each.cell.id: each.sizes.payload_mean for each in ready}
    costs = []
    for cell, nbytes in sizes.items():
        for part, on, off in _COMPARED:
            if {on, off} <= variants.keys():
                costs.append(
                    _cost(cell, nbytes, part, found[cell, on], found[cell, off], whole=part == _DISPLAY)
                )
        costs.append(
            _cost(cell, nbytes, TIMED, found[cell, "full"], _without(found[cell, "full"]), whole=True)
        )
    return Observer(tuple(costs), a_stamp_ns, time.monotonic() - began)


def _without(full: Mapping[int, Times]) -> dict[int, Times]:
    """The same blocks less what was timed in them."""
    return {at: replace(each, whole_us=each.whole_us - each.timed_us) for at, each in full.items()}


def _unwatched(now: Progress) -> None:
    """The display is off."""


def _apart(available: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The last two cores, one for each end; nothing is pinned where there is but one."""
    pinned = len(available) > 1 and hasattr(os, "sched_setaffinity")
    return {"producer": (available[-1],), "stage-0": (available[-2],)} if pinned else {}


def _plan(planned: Sequence[PlannedCell], rounds: int, block_s: float, seed: int) -> Plan:
    return Plan(
        name="observer", seed=seed, quick=False, cells=tuple(planned), order=(),
        blocks=Blocks(rounds, block_s, block_s / 4, 1.0), checksum_every=CHECKSUM_EVERY, check_replies=False,
        on_error="stop", slo={}, resolved={},
    )  # fmt: skip


def _order(count: int, variants: Sequence[str], rounds: int, seed: int) -> Iterator[tuple[int, str, int]]:
    """Each cell in each variant once a round: cells in random order, a cell's variants next to each other."""
    rng = np.random.default_rng(seed_for(seed, Stream.ORDER))
    for round_ in range(rounds):
        for index in rng.permutation(count):
            for at in rng.permutation(len(variants)):
                yield int(index), variants[at], round_


@contextmanager
def _opened(ready: ReadyCell, site: Site, members: Crew, plan: Plan) -> Iterator[None]:
    ready.brief(members, plan)
    ready.open(site, members)
    try:
        yield
    finally:
        ready.close()


def _insisted(
    members: Crew, site: Site, plan: Plan, ready: ReadyCell, variant: Variant, position: int
) -> Times | None:
    """A block's times; on a machine so busy that it ended before its second message, of one of the next blocks."""
    for _ in range(_ATTEMPTS):
        with _opened(ready, site, members, plan):
            taken = _measured(members, plan, ready, variant, position)
        if taken is not None:
            return taken
    return None


def _measured(members: Crew, plan: Plan, ready: ReadyCell, variant: Variant, position: int) -> Times | None:
    task = replace(ready.task(plan, 0), stamps=variant.stamps, checksums=variant.checksums)
    block, samples = run_block(members, task, Place(position, 0, 0, None, None), ready.hosts)
    if block.failures:
        failure = block.failures[0]
        raise BenchkitError(
            f"{failure.party} failed: {failure.what}", where=ready.cell.id, remedy=failure.remedy
        )
    ready.count_on(next_seq(samples))
    found = times(samples)
    counted = max(1, int(np.count_nonzero(~samples["warmup"])))
    return found and replace(found, timed_us=block.usage["stage"].integrity_ns / counted / 1e3)


def times(samples: Samples) -> Times | None:
    """Of a block with one message in flight, warm-up excluded; None where it was stopped before its second."""
    done = samples[(samples["status"] == Status.DELIVERED) & ~samples["warmup"]]
    returned = done["returned"]
    if len(returned) < _LEAST_MESSAGES:
        return None
    whole_us = float(returned[-1] - returned[0]) / (len(returned) - 1) / 1e3
    windows = np.diff(returned[::CHECKSUM_EVERY])
    return Times(whole_us, float(np.median(windows)) / CHECKSUM_EVERY / 1e3 if len(windows) else whole_us)


def _cost(
    cell: str,
    payload_bytes: int,
    part: str,
    on: Mapping[int, Times],
    off: Mapping[int, Times],
    *,
    whole: bool,
) -> Cost:
    both = sorted(on.keys() & off.keys())
    if len(both) < _LEAST_ROUNDS:
        raise BenchkitError(
            "the machine is too busy: most blocks ended before their second message",
            where=cell,
            remedy="stop what else runs, or ask for more --rounds",
        )
    name = "whole_us" if whole else "window_us"
    on_us, off_us = (np.array([getattr(each[at], name) for at in both]) for each in (on, off))
    shares = np.sort(1 - off_us / on_us)
    ranks = order_ranks(len(shares), _HALF)
    return Cost(
        cell, payload_bytes, part, float(np.median(on_us)), float(np.median(off_us)), float(np.median(shares)),
        (float(shares[ranks[0] - 1]), float(shares[ranks[1] - 1])) if ranks else None, len(both),
    )  # fmt: skip


def stamp_ns() -> float:
    """One stamp as the engine takes it (clock read, stored by index) less an empty turn, the best of five."""
    clock, column = time.monotonic_ns, array("q", bytes(8 * _STAMPS_TIMED))
    full, empty = [], []
    for _ in range(5):
        before = clock()
        for index in range(_STAMPS_TIMED):
            column[index] = clock()
        middle = clock()
        for _ in range(_STAMPS_TIMED):
            pass
        empty.append(clock() - middle)
        full.append(middle - before)
    # Each by itself: an empty turn that was interrupted must not make a stamp look cheap.
    return (min(full) - min(empty)) / _STAMPS_TIMED
