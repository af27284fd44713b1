"""Block after block, both sides in an order that chance decides, until there is nothing left to find out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from benchkit.engine.runner import Progress
from benchkit.gate.pairs import Missing, lacking, paired
from benchkit.gate.rows import Claim, Key, Row, rows, with_fresh
from benchkit.gate.runs import Asked, Phase, SideRun, build_error, run
from benchkit.gate.sequence import confirmation, course
from benchkit.gate.sides import CANDIDATE, Side
from benchkit.gate.statistics import ALPHA, Look, fresh_looks, looks

START_S: Final = 1.2
"""What starting and ending the processes of a run takes on two idle cores, about."""
PER_CELL_S: Final = 0.2
_SEEDS: Final = 1 << 62

Watch = Callable[[Progress], None]
Keep = Callable[[SideRun], None]
Measure = Callable[[Side, Asked, Phase, int, int, int], SideRun]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gate does."""

    asked: Asked
    cells: tuple[str, ...]
    deltas: Mapping[str, Mapping[str, float | None]]
    blocks: int
    seed: int
    confirm: bool = True
    """On fresh blocks; without, a failure is said at once, for who only wants to see it."""

    @property
    def fresh(self) -> tuple[Look, ...]:
        """Looks at fresh blocks."""
        return fresh_looks(self.blocks) if self.confirm else ()

    @property
    def expected_s(self) -> tuple[float, float]:
        """About how long it takes: with every look used, and with all fresh blocks on top."""
        own = 2 * (self.blocks + 1) * self.asked.expected_s
        fresh = max((look.blocks for look in self.fresh), default=0)
        return own, own + 2 * fresh * self.asked.expected_s


def run_s(cells: int, duration_s: float, warmup_s: float) -> float:
    """About how long one run takes."""
    return START_S + cells * (duration_s + warmup_s + PER_CELL_S)


@dataclass(slots=True)
class Outcome:
    """What a gate found, as far as it came."""

    rows: list[Row] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: list[SideRun] = field(default_factory=list)
    blocks: int = 0
    confirming: int = 0
    """Fresh blocks that were measured."""
    looks: tuple[Look, ...] = ()
    interrupted: bool = False
    seconds: float = 0.0
    block_s: float = 0.0
    """A block of both sides, measured."""


class Measurement:
    """One gate over two sides."""

    def __init__(
        self, found: tuple[Side, Side], wanted: Wanted, watch: Watch, keep: Keep, measure: Measure = run
    ) -> None:
        """`keep` is told each run when it has ended; `measure` makes one (tests and simulations give their own)."""
        self._sides = found
        self._wanted = wanted
        self._watch = watch
        self._keep = keep
        self._measure = measure
        self._asked = wanted.asked
        self._tried = wanted.asked.cells
        """Cells that ran in both sides at the first try."""
        self._unfit: list[Missing] = []
        self._notes: list[str] = []
        self._order = np.random.default_rng([wanted.seed, 0])
        self.outcome = Outcome(looks=looks(wanted.blocks))

    def run(self) -> Outcome:
        """To its end; after an interrupt, what there was."""
        began = time.monotonic()
        out = self.outcome
        try:
            if self._try():
                out.rows = course(self._claims, out.looks, self._seen)
                if self._wanted.confirm:
                    out.rows = confirmation(out.rows, self._fresh_claims, self._wanted.fresh)
        except KeyboardInterrupt:
            out.interrupted = True
            if out.blocks:
                # A failure that was not confirmed is none.
                out.rows = with_fresh(rows(self._paired("measure"), ALPHA), {})
        out.notes += self._notes
        out.seconds = time.monotonic() - began
        return out

    def _try(self) -> bool:
        """One run of each side that counts for nothing: caches are warm then, and what does not run is known."""
        tried = {side.name: self._one(side, "try", 0, 0) for side in self._sides}
        if not self._asked.floors and any("--no-floors" in each.error for each in tried.values()):
            self._asked = replace(self._asked, floors=True)
            self.outcome.notes.append(
                "one side knows no --no-floors: both measure the machine's floors in every run, which takes longer"
            )
            tried = {side.name: self._one(side, "try", 0, 0) for side in self._sides}
        base = self._sides[0]
        if tried[base.name].error and base.own_scenario is not None:
            # An older benchkit may not know all that the scenario says today.
            self._sides = (replace(base, scenario=base.own_scenario, own_scenario=None), self._sides[1])
            again = self._one(self._sides[0], "try", 0, 0)
            if not again.error:
                tried[base.name] = again
                self.outcome.notes.append(
                    "the base cannot read the candidate's scenario and runs its own: cells go together by their id"
                )
        if all(each.error for each in tried.values()):
            raise build_error(self._sides[1], tried[CANDIDATE].error)
        self._leave_out(list(tried.values()))
        self._asked = replace(self._asked, expected_s=max(each.seconds for each in tried.values()))
        return bool(self._asked.cells)

    def _leave_out(self, tried: Sequence[SideRun]) -> None:
        """Cells that a side does not have, or that do not run in it, are not run again."""
        chosen = []
        for cell in self._wanted.cells:
            bad = {each.side: _never(each, cell) for each in tried if _never(each, cell)}
            if bad:
                why = "; ".join(f"{name}: {words}" for name, words in bad.items())
                self._unfit.append(Missing(cell, lacking(bad), why))
            else:
                chosen.append(cell)
        self._tried = tuple(chosen)
        self._asked = replace(self._asked, cells=self._tried)
        self.outcome.missing = list(self._unfit)

    def _claims(self, blocks: int) -> list[Claim]:
        """Of that many blocks, which are measured now as far as they are not there."""
        out, began = self.outcome, time.monotonic()
        before = out.blocks
        while out.blocks < blocks:
            self._block("measure", out.blocks, Progress("blocks", out.blocks, self._wanted.blocks))
            out.blocks += 1
        if out.blocks > before:
            out.block_s = (time.monotonic() - began) / (out.blocks - before)
        return self._paired("measure")

    def _seen(self, found: list[Row]) -> None:
        self.outcome.rows = found

    def _fresh_claims(self, blocks: int, keys: frozenset[Key]) -> list[Claim]:
        """Of the cells that look worse, measured by themselves."""
        cells = [cell for cell in self._tried if any(cell == key[0] for key in keys)]
        self._asked = replace(self._asked, cells=tuple(cells))
        out = self.outcome
        while out.confirming < blocks:
            self._block("confirm", out.confirming, Progress("confirming", out.confirming, blocks))
            out.confirming += 1
        own = [each for each in out.runs if each.phase == "confirm"]
        return [claim for claim in paired(own, cells, self._wanted.deltas).claims if claim.key in keys]

    def _paired(self, phase: Phase) -> list[Claim]:
        """What can be claimed now; cells that turned out to be missing are noted."""
        own = [each for each in self.outcome.runs if each.phase == phase]
        found = paired(own, self._tried, self._wanted.deltas)
        self.outcome.missing = self._unfit + found.missing
        self._notes = found.notes
        return found.claims

    def _block(self, phase: Phase, block: int, now: Progress) -> None:
        self._watch(now)
        for place, side in enumerate(self._order.permutation(len(self._sides)).tolist()):
            done = self._one(self._sides[side], phase, block, place)
            self.outcome.runs.append(done)
            self._keep(done)

    def _one(self, side: Side, phase: Phase, block: int, place: int) -> SideRun:
        # Both sides of a block meet the same messages at the same moments; no two blocks do.
        offset = block + (self._wanted.blocks if phase == "confirm" else 0)
        return self._measure(side, self._asked, phase, block, place, (self._wanted.seed + offset) % _SEEDS)


def _never(tried: SideRun, cell: str) -> str:
    """Why it need not be tried again: it is not there, or it could not be measured at all."""
    if cell not in tried.cells:
        return tried.error or "it has no such cell"
    return next(
        (
            why
            for why in tried.cells[cell].invalid
            if why.startswith(("skipped", "party-died", "stage-failed"))
        ),
        "",
    )
