"""Which trials a what-if needs and has time for; pure planning, nothing runs here.

First every cell that matters is saturated for a few blocks: that gives its capacity and what a message asks of each
resource. Then, for the cells that are asked about, rounds of interleaved blocks: the cell as it is, with each change
that can be made, and with each phase slowed by each level. Where all of it takes longer than it may, phases go first
(the shortest), then rounds down to three, then the paced blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from benchkit.engine.slowing import PHASES, PRODUCER_PHASES
from benchkit.load.base import ClosedArrival
from benchkit.load.search import Search
from benchkit.records.what_if import Slowed
from benchkit.scenario.model import WhatIfOptions
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.tensors.codecs import base as codecs
from benchkit.transports import base as transports
from benchkit.units import show_us

Mode = Literal["saturated", "paced"]
BASE_ROUNDS: Final = 3
DONOR_ROUNDS: Final = 2
LEAST_ROUNDS: Final = 3
_GOOD_ROUNDS: Final = 6
_MESSAGES: Final = 30
"""A block lasts so many messages at the least, within the scenario's own block."""
_OVERHEAD_S: Final = 0.25
"""What a block costs besides its messages."""
_WARMUP_SHARE: Final = 0.2
_LEAST_ADDED_NS: Final = 1000
"""The smallest level adds so much at the least: below, the clock that ends the spin is part of the answer."""
_LEAST_SHARE: Final = 0.02
_MOST_PHASES: Final = 4


@dataclass(frozen=True, slots=True)
class Planned:
    """One trial."""

    index: int
    """Of the cell in the plan."""
    mode: Mode
    round: int
    duration_s: float
    change: str = ""
    slowed: Slowed | None = None

    @property
    def warmup_s(self) -> float:
        """Sent first and not counted."""
        return self.duration_s * _WARMUP_SHARE

    @property
    def expected_s(self) -> float:
        """About how long it takes."""
        return self.duration_s + self.warmup_s + _OVERHEAD_S


def open_loop(cell: PlannedCell) -> bool:
    """Its rate is given, so that it must be saturated by a closed loop of its own."""
    return not isinstance(cell.load, ClosedArrival)


def unfit(cell: PlannedCell) -> str:
    """Why a cell cannot be tried; empty where it can."""
    if isinstance(cell.load, Search):
        return "it searches for its rate: a trial needs one that is given"
    if not cell.replies:
        return "without replies nothing tells how many messages are under way, so no trial can saturate it"
    return ""


def in_flight(cell: PlannedCell) -> int:
    """Enough to keep every worker busy while its next messages are on their way, and within the transport's depth."""
    if isinstance(cell.load, ClosedArrival):
        return cell.load.places
    busy = 2 * cell.workers * cell.batch_size
    return max(busy, min(2 * busy, cell.transport.depth * cell.producers), cell.producers)


def chosen(plan: Plan, asked: WhatIfOptions) -> list[int]:
    """The cells that are asked about: all that fit, or the first of each group."""
    fit = [index for index, cell in enumerate(plan.cells) if not unfit(cell)]
    if asked.cells == "all":
        return fit
    first: dict[str, int] = {}
    for index in fit:
        first.setdefault(plan.cells[index].group, index)
    return list(first.values())


def donors(plan: Plan, index: int) -> list[int]:
    """Cells of the same group that differ in transport or in codec alone."""
    own = plan.cells[index]
    return [
        at
        for at, cell in enumerate(plan.cells)
        if at != index and cell.group == own.group and not unfit(cell)
        and (cell.codec == own.codec) != (cell.transport == own.transport)
    ]  # fmt: skip


def changes(plan: Plan, index: int, asked: WhatIfOptions) -> list[str]:
    """What is asked about a cell beside its phases: `transport=shm`, `workers=2`, ..."""
    own, near = plan.cells[index], [plan.cells[at] for at in donors(plan, index)]
    moved = [cell.transport.kind for cell in near if cell.codec == own.codec]
    packed = [cell.codec.kind for cell in near if cell.transport == own.transport]
    found = [
        f"transport={kind}"
        for kind in (moved if asked.transport is None else asked.transport)
        if kind != own.transport.kind
    ]
    found += [
        f"codec={kind}" for kind in (packed if asked.codec is None else asked.codec) if kind != own.codec.kind
    ]
    promised = own.transport.capabilities()
    if not promised.same_process and not promised.external_stage:
        counts = (2 * own.workers,) if asked.workers is None else asked.workers
        found += [f"workers={count}" for count in counts if count != own.workers]
    if not promised.external_stage:
        found += [f"batch={size}" for size in asked.batch if size != own.batch_size]
    return list(dict.fromkeys(found))


def changed(plan: Plan, index: int, change: str) -> PlannedCell:
    """The cell with a change made: the plan's own where it has that one; raises what the plug-in raises."""
    own = plan.cells[index]
    kind, _, name = change.partition("=")
    for at in donors(plan, index):
        cell = plan.cells[at]
        if (kind == "transport" and cell.codec == own.codec and cell.transport.kind == name) or (
            kind == "codec" and cell.transport == own.transport and cell.codec.kind == name
        ):
            return replace(cell, id=f"{own.id}/{change}")
    match kind:
        case "transport":
            made = replace(own, transport=transports.registry.build({"kind": name}))
        case "codec":
            made = replace(own, codec=codecs.registry.build({"kind": name}))
        case "workers":
            made = replace(own, workers=int(name))
        case _:
            # Without a delay only what waits anyway is gathered.
            made = replace(own, batch_size=int(name))
    return replace(made, id=f"{own.id}/{change}")


def confirmable(change: str, cell: PlannedCell, asked: WhatIfOptions, cores: int) -> bool:
    """Twice the workers are tried unasked only where each party can have a core of its own."""
    if not change.startswith("workers=") or asked.workers is not None:
        return True
    brokers = 0 if cell.transport.brokerless else 1
    return int(change.partition("=")[2]) + cell.producers + brokers <= cores


# How long a block lasts ----------------------------------------------------------------------------------


def duration_s(plan: Plan, cell: PlannedCell, mode: Mode, unloaded_s: float) -> float:
    """A trial's measured part: what was asked for, or thirty messages where these take longer."""
    asked = plan.what_if.duration if plan.what_if else 0.25
    rate = getattr(cell.load, "rate_per_s", None)
    if mode == "saturated" or not rate:
        each_s = unloaded_s / min(in_flight(cell), cell.workers * cell.batch_size)
    else:
        each_s = 1 / rate
    return max(asked, min(_MESSAGES * each_s, max(asked, plan.blocks.duration_s)))


# What is tried -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """What one cell is tried for."""

    index: int
    modes: Mapping[Mode, float]
    """With how long a block of it lasts."""
    phases_ns: Mapping[str, float]
    """Phases to slow and their means, the longest first."""
    changes: tuple[str, ...]
    """Changes to make."""
    levels: tuple[float, ...]

    def round_s(self) -> float:
        """How long a round of it takes."""
        return sum(trial.expected_s for trial in self.trials(0))

    def trials(self, round_: int) -> Iterator[Planned]:
        """A round's trials, not yet in their order."""
        for mode, duration in self.modes.items():
            base = Planned(self.index, mode, round_, duration)
            yield base
            for change in self.changes:
                yield replace(base, change=change)
            if self.phases_ns:
                yield replace(base, slowed=Slowed("", 0.0, 0))
            for phase, mean_ns in self.phases_ns.items():
                for share in self.levels:
                    yield replace(base, slowed=Slowed(phase, share, round(share * mean_ns)))


def phases(
    cell: PlannedCell, means_ns: Mapping[str, float], asked: WhatIfOptions
) -> tuple[dict[str, float], list[str]]:
    """The phases to slow with their means, the longest first; and why others are not."""
    own = PRODUCER_PHASES if cell.transport.capabilities().external_stage else PHASES
    whole_ns = sum(means_ns.values())
    found: dict[str, float] = {}
    left: list[str] = []
    little: list[str] = []
    least = min(asked.slow)
    for name in sorted(
        own if asked.phases is None else asked.phases, key=lambda name: -means_ns.get(name, 0.0)
    ):
        mean_ns = means_ns.get(name, 0.0)
        told = f"{name} {show_us(mean_ns / 1e3)}"
        short = least * mean_ns < _LEAST_ADDED_NS
        if asked.phases is None and (
            short or mean_ns < _LEAST_SHARE * whole_ns or len(found) == _MOST_PHASES
        ):
            little += [told] if mean_ns else []
        elif name not in own:
            left.append(f"{name}: the stage is a server of its own, nothing in it can be slowed")
        elif short:
            left.append(
                f"{told}: too short to be slowed by {least:.0%}, the clock would be part of the answer"
            )
        else:
            found[name] = mean_ns
    if little:
        left.append(f"{', '.join(little)}: little beside the others; what_if.phases can name them")
    return found, left


def fitted(question: Question, budget_s: float, asked: WhatIfOptions) -> tuple[Question, int, list[str]]:
    """The question, its rounds and what was given up, so that it takes no longer than it may; 0 rounds: not at all."""
    left: list[str] = []
    dropped: list[str] = []
    wanted = min(asked.rounds, _GOOD_ROUNDS)
    while (rounds := int(budget_s / question.round_s())) < wanted and len(question.phases_ns) > 1:
        *kept, last = question.phases_ns.items()
        question = replace(question, phases_ns=dict(kept))
        dropped.append(last[0])
    if dropped:
        left.append(f"{', '.join(dropped)} slowed: no time for it; what_if.longest can give more")
    if rounds < LEAST_ROUNDS and len(question.modes) > 1:
        question = replace(question, modes={"saturated": question.modes["saturated"]})
        left.append("latency at the cell's own rate: no time for it; what_if.longest can give more")
        rounds = int(budget_s / question.round_s())
    if rounds < LEAST_ROUNDS:
        left.append(f"experiments and changes: {LEAST_ROUNDS} rounds take longer than what_if.longest leaves")
        return question, 0, left
    return question, min(asked.rounds, rounds), left


def ordered(rounds: Mapping[int, tuple[Question, int]], seed: int) -> list[Planned]:
    """All questions' trials: round after round, within each in seeded random order."""
    found: list[Planned] = []
    for round_ in range(max((count for _, count in rounds.values()), default=0)):
        own = [
            trial
            for question, count in rounds.values()
            if round_ < count
            for trial in question.trials(round_)
        ]
        generator = np.random.default_rng(seed_for(seed, Stream.WHAT_IF, round_))
        found += [own[at] for at in generator.permutation(len(own))]
    return found


def base(plan: Plan, asked_about: Sequence[int], unloaded_s: Mapping[int, float]) -> list[Planned]:
    """The cells asked about and their donors, saturated; in turns, so that drift hits all alike."""
    others = [
        at for at in dict.fromkeys(at for i in asked_about for at in donors(plan, i)) if at not in asked_about
    ]
    found = []
    for round_ in range(BASE_ROUNDS):
        cells = [*asked_about, *(others if round_ < DONOR_ROUNDS else ())]
        generator = np.random.default_rng(seed_for(plan.seed, Stream.WHAT_IF, 1000 + round_))
        for at in generator.permutation(len(cells)).tolist():
            cell = plan.cells[cells[at]]
            length_s = duration_s(plan, cell, "saturated", unloaded_s.get(cells[at], 0.0))
            found.append(Planned(cells[at], "saturated", 1000 + round_, length_s))
    return found
