"""One trial: a gate over two builds of which the truth is known."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchkit.engine.runner import Progress
from benchkit.errors import BenchkitError
from benchkit.gate import machine
from benchkit.gate.measure import Measurement, Wanted, Watch, run_s
from benchkit.gate.rows import worst
from benchkit.gate.runs import Asked, SideRun, run
from benchkit.gate.sides import BASE, CANDIDATE, Side
from benchkit.gate.statistics import fresh_looks
from benchkit.runtime.child import child
from benchkit.selftest.calm import busy_share

CELL: Final = "unix/raw/sensors-16x4/closed-1"
BLOCKS: Final = 20
DURATION_S: Final = 0.8
WARMUP_S: Final = 0.1
SERVICE_US: Final = 300.0
DELTAS: Final = {"p50": 0.03, "p99": 0.10, "throughput": 0.03}
_NOT_PROMISED: Final = ((True, 0.05), (True, 0.20))
"""Slow-downs beside hogs, for the page alone."""
_HOG: Final = Path(__file__).with_name("hog.py")
_SCENARIO: Final = """\
name: gate-trial
source: {{kind: sensors, samples: 16, channels: 4}}
transport: unix
stage: {{kind: synthetic, service: {service_us:.3f}us, busy: spin}}
load: {{arrival: closed, in_flight: 1}}
blocks: {{rounds: 1, duration: 800ms, warmup: 100ms, warmup_max: 100ms}}
checks: {{replies: false}}
"""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One trial, before it is run."""

    number: int
    hogs: bool
    effect: float
    """How much longer the candidate takes, as a share of the latency; 0: nothing differs."""

    @property
    def key(self) -> str:
        """`quiet/10%/3`."""
        return f"{condition(hogs=self.hogs)}/{round(100 * self.effect)}%/{self.number}"


def condition(*, hogs: bool) -> str:
    """For people."""
    return "hogs" if hogs else "quiet"


def planned(alike: int, alike_hogs: int, slower: int, effects: Sequence[float]) -> list[Trial]:
    """So many with nothing changed, quiet and beside hogs, and `slower` of each effect both ways; mixed, so that a
    part of them is a fair sample. Those of which nothing is promised come last."""
    found = [Trial(number, False, 0.0) for number in range(alike)]
    found += [Trial(number, True, 0.0) for number in range(alike_hogs)]
    found += [
        Trial(number, hogs, effect)
        for number in range(slower)
        for hogs in (False, True)
        for effect in effects
    ]
    totals = {(each.hogs, each.effect): 0 for each in found}
    for each in found:
        totals[each.hogs, each.effect] += 1

    def place(each: Trial) -> tuple[bool, float, Trial]:
        later = (each.hogs, each.effect) in _NOT_PROMISED
        return later, (each.number + 0.5) / totals[each.hogs, each.effect], each

    return sorted(found, key=place)


def trial_s() -> tuple[float, float]:
    """About how long a trial takes: decided at the first look, and with all that may come."""
    each = run_s(1, DURATION_S, WARMUP_S)
    return (BLOCKS + 2) * each, 2 * (BLOCKS + 1 + fresh_looks(BLOCKS)[-1].blocks) * each


class Bench:
    """Runs trials in a folder of its own."""

    def __init__(self, folder: Path, watch: Watch) -> None:
        self._folder = folder
        self._watch = watch

    def run(self, trial: Trial, seed: int) -> Entry:
        """The trial's line: what the gate said, and its runs in short."""
        # Each time anew: it is not what it was an hour ago or on another machine, and the effect is a share of it.
        latency_us = self._natural() if trial.effect else 0.0
        planted_us = trial.effect * latency_us
        sides = self._side(BASE, 0.0), self._side(CANDIDATE, planted_us)
        asked = Asked(DURATION_S, WARMUP_S, trial_s()[0] / BLOCKS, floors=False)
        wanted = Wanted(asked, (CELL,), {CELL: DELTAS}, BLOCKS, seed)
        began, others = datetime.now(UTC).isoformat(timespec="seconds"), busy_share()
        with hogs(seed) if trial.hogs else _alone():
            outcome = Measurement(sides, wanted, self._watch, _forget).run()
        if outcome.interrupted:
            raise KeyboardInterrupt
        return {
            "trial": trial.key,
            "hogs": trial.hogs,
            "effect": trial.effect,
            "planted_us": planted_us,
            "number": trial.number,
            "verdict": worst([row.verdict for row in outcome.rows]) if outcome.rows else "INCONCLUSIVE",
            "changes": {row.metric: row.estimate for row in outcome.rows},
            "verdicts": {row.metric: row.verdict for row in outcome.rows},
            "unfit": machine.evidence(outcome.runs),
            "blocks": outcome.blocks,
            "confirming": outcome.confirming,
            "seconds": outcome.seconds,
            "measured_utc": began,
            "others": others,
            "pairs": pairs(outcome.runs),
        }

    def _natural(self) -> float:
        """What a message takes while nothing is planted, us: the median run of three."""
        side = self._side(BASE, 0.0)
        asked = Asked(DURATION_S, WARMUP_S, trial_s()[0] / BLOCKS, floors=False)
        found = [run(side, asked, "try", 0, 0, seed) for seed in range(3)]
        medians = [each.cells[CELL].p50_us or 0.0 for each in found if CELL in each.cells]
        if not medians or not median(medians):
            raise BenchkitError(
                f"the pipeline does not run: {found[0].error}", remedy="see `benchkit doctor`"
            )
        return median(medians)

    def _side(self, name: str, planted_us: float) -> Side:
        path = self._folder / f"{name}.yaml"
        path.write_text(_SCENARIO.format(service_us=SERVICE_US + planted_us), "utf-8")
        return Side(name, name, Path(sys.executable), path, Path.cwd())


def pairs(runs: Sequence[SideRun]) -> list[Entry]:
    """By block, fresh ones after the others: what both runs measured, in their order."""
    found: dict[tuple[bool, int], Entry] = {}
    for each in runs:
        if CELL in each.cells and not each.cells[CELL].invalid:
            own = each.cells[CELL]
            entry = found.setdefault((each.phase == "confirm", each.block), {})
            figures = {
                "p50": own.p50_us, "p99": own.p99_us, "throughput": own.messages_per_s, "mean": own.mean_us,
            }  # fmt: skip
            # Six digits are more than they are worth, and the file is kept.
            entry[each.side] = {
                name: None if value is None else float(f"{value:.6g}") for name, value in figures.items()
            }
    return [entry for _, entry in sorted(found.items()) if len(entry) == 2]


@contextmanager
def hogs(seed: int) -> Iterator[None]:
    """One a core."""
    with ExitStack() as running:
        for number in range(os.cpu_count() or 1):
            running.enter_context(child([sys.executable, "-I", "-S", str(_HOG), str(1000 * seed + number)]))
        yield


@contextmanager
def _alone() -> Iterator[None]:
    yield


def _forget(_run: SideRun) -> None:
    """Only the trial's line is kept."""


def quiet(_now: Progress) -> None:
    """Nobody watches."""
