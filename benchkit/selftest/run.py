"""A whole self-test: which trials, in which order, and what comes of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from benchkit.engine.runner import Progress
from benchkit.selftest.bars import FULL, QUICK, bars, counted, outcome, reliability
from benchkit.selftest.calm import wait_for_calm
from benchkit.selftest.install import installed
from benchkit.selftest.log import Log
from benchkit.selftest.machine import machine
from benchkit.selftest.trials import CHUNK, HEALTHY, REPEATS, Bench, Entry, Trial, planned, settled

SHARES: Final = (0.35, 0.55, 0.80)
"""Of the latency, from subtle to gross."""
FIRST_SEED: Final = 100
"""Thresholds were tuned on seeds below this; what is quoted comes from here on."""
SEEDS: Final = 5
_QUICK_KINDS: Final = (
    "json-base64 encode", "client copies, sending", "compute, spinning", "lock wait", "batch wait", "overload",
    "healthy, unix",
)  # fmt: skip
_TRIAL_S: Final = 1.15
_CHUNK_S: Final = 6.0

Show = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the self-test is asked to do."""

    seeds: int = SEEDS
    first_seed: int = FIRST_SEED
    shares: tuple[float, ...] = SHARES
    only: tuple[str, ...] = ()
    quick: bool = False

    @property
    def repeats(self) -> int:
        """How often a trial whose cell was not valid is run again; the quick form is to end soon."""
        return 1 if self.quick else REPEATS

    def trials(self) -> list[Trial]:
        """All of them."""
        if self.quick:
            found = planned([self.first_seed], SHARES[-1:], self.only)
            return [trial for trial in found if trial.kind in _QUICK_KINDS]
        return planned(range(self.first_seed, self.first_seed + self.seeds), self.shares, self.only)


def expected_s(trials: Sequence[Trial]) -> float:
    """About how long they take on a machine that is left alone."""
    return len(trials) * _TRIAL_S + len(list(_chunks(trials))) * _CHUNK_S


def _chunks(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Of one seed each, because a plan has one."""
    for _, own in groupby(trials, key=lambda trial: trial.seed):
        group = list(own)
        yield from (group[at : at + CHUNK] for at in range(0, len(group), CHUNK))


def run(asked: Asked, log: Log, show: Show) -> dict[str, Any]:
    """Run what is left of the trials; the document of the whole self-test, plain data."""
    began = time.monotonic()
    trials = asked.trials()
    left = log.left(trials)
    bench = Bench(log.naturals, _within(show, len(trials), lambda: len(trials) - len(log.left(trials))))
    with installed():
        for _, own in groupby(left, key=lambda trial: trial.seed):
            for line in _lines(bench, list(own), asked.repeats, log.keep_naturals):
                log.keep(line)
    wanted = {(trial.kind, trial.seed, trial.share) for trial in trials}
    lines = [line for line in log.lines if (line["kind"], line["seed"], line["asked_share"]) in wanted]
    return document(asked, lines, time.monotonic() - began)


def _lines(
    bench: Bench, trials: Sequence[Trial], repeats: int, measured: Callable[[], None]
) -> Iterator[Entry]:
    """The trials of one seed, each until its cell is valid or it was repeated often enough."""
    disturbed: dict[Trial, list[list[str]]] = {}
    for repeated in range(repeats + 1):
        again: list[Trial] = []
        for chunk in _chunks(trials):
            if repeated:
                wait_for_calm()
            for trial, line in zip(chunk, bench.run(chunk, measured), strict=True):
                if settled(line) or repeated == repeats:
                    now = datetime.now(UTC).isoformat(timespec="seconds")
                    before = disturbed.get(trial, [])
                    yield {
                        **line,
                        "repeated": repeated,
                        "before": before,
                        "load": _load(),
                        "measured_utc": now,
                    }
                else:
                    disturbed.setdefault(trial, []).append(line["reasons"])
                    again.append(trial)
        trials = again


def _load() -> float | None:
    """Programs that ran or wanted to in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def document(asked: Asked, lines: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What `--json` prints."""
    counts = counted(lines)
    found = bars(counts, QUICK if asked.quick else FULL)
    return {
        "asked": asdict(asked),
        "seconds": seconds,
        "kinds": [{**asdict(count), "decided": count.decided} for count in counts],
        "bars": [asdict(bar) for bar in found],
        "reliability": [asdict(each) for each in reliability(lines)],
        "machine": machine(),
        "holds": outcome(found),
        "trials": list(lines),
    }


def _within(show: Show, total: int, done: Callable[[], int]) -> Show:
    """The progress of the engine's run as that of the whole."""

    def watch(now: Progress) -> None:
        if now.cell.startswith(HEALTHY):
            show(Progress("healthy pipelines", now.done, now.total, now.cell))
            return
        inside = now.done / now.total if now.total else 0.0
        show(Progress("trials", min(total, done() + int(inside * CHUNK)), total, now.cell))

    return watch
