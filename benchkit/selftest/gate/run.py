"""The whole self-test of the gate: trials, rates, simulation, and whether the bars hold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchkit.engine.runner import Progress
from benchkit.gate.measure import Watch
from benchkit.gate.sides import BASE
from benchkit.selftest import machine
from benchkit.selftest.gate import rules, simulation
from benchkit.selftest.gate.log import Log
from benchkit.selftest.gate.trials import (
    BLOCKS,
    DELTAS,
    DURATION_S,
    WARMUP_S,
    Bench,
    Trial,
    condition,
    planned,
    trial_s,
)

EFFECTS: Final = (0.05, 0.10, 0.20)
_LEAST_NOISE: Final = 40
"""Recorded blocks below which a simulation would only repeat itself."""
_SEARCH_GATES: Final = 200

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """How many trials of each kind, and how many gates are simulated."""

    alike: int = 100
    alike_hogs: int = 50
    slower: int = 20
    """Of each effect, quiet and beside hogs."""
    gates: int = 10_000

    def trials(self) -> list[Trial]:
        """All of them, mixed."""
        return planned(self.alike, self.alike_hogs, self.slower, EFFECTS)


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise: what it is, what was reached of how many, whether it holds."""

    name: str
    reached: float | None
    limit: float
    of: int
    at_most: bool = False

    @property
    def holds(self) -> bool | None:
        """None where nothing was tried."""
        if self.reached is None:
            return None
        return self.reached <= self.limit if self.at_most else self.reached >= self.limit


def expected_s(count: int) -> tuple[float, float]:
    """About how long so many trials take: each decided at its first look, or each with everything."""
    least, most = trial_s()
    return count * least, count * most


def run(asked: Asked, log: Log, show: Watch) -> Entry:
    """What is left of the trials, then the figures over all that there are; an interrupt keeps what was done."""
    began = time.monotonic()
    trials = asked.trials()
    interrupted = False
    with TemporaryDirectory(prefix="benchkit-gate-trials-") as folder:
        bench = Bench(Path(folder), lambda _now: None)
        try:
            for trial in log.left(trials):
                show(Progress("trials", len(trials) - len(log.left(trials)), len(trials), trial.key))
                log.keep(bench.run(trial, _seed(trial)))
        except KeyboardInterrupt:
            interrupted = True
    show(Progress("simulating gates", 0, 1))
    made = document(asked, log.lines)
    return {
        **made,
        "seconds": time.monotonic() - began,
        "interrupted": interrupted,
        "machine": machine.machine(),
    }


def _seed(trial: Trial) -> int:
    """No two trials have a block's seed in common."""
    return 10_000 * trial.number + 100 * round(100 * trial.effect) + 1_000_000_000 * trial.hogs


def document(asked: Asked, lines: Sequence[Entry]) -> Entry:
    """Rates by condition and effect, simulated rates, and the bars."""
    rates = _rates(lines)
    simulated = [_simulated(lines, asked.gates, hogs=hogs) for hogs in (False, True)]
    found = bars(rates, [each for each in simulated if each])
    return {
        "asked": asdict(asked),
        "rates": rates,
        "simulated": [each for each in simulated if each],
        "bars": [{**asdict(bar), "holds": bar.holds} for bar in found],
        "holds": _outcome(found),
        "minutes_per_gate": _mean([line["seconds"] / 60 for line in lines]),
        "most_measured_minutes": max((_measured_s(line) / 60 for line in lines), default=None),
        "trials": len(lines),
        "latency_us": _latency_us(lines),
        "days": sorted({line["measured_utc"][:10] for line in lines if "measured_utc" in line}),
        "others": _median([line["others"] for line in lines if "others" in line]),
    }


def _measured_s(line: Entry) -> float:
    """Of a trial's time, that under load."""
    return 2 * len(line["pairs"]) * (DURATION_S + WARMUP_S)


def _latency_us(lines: Sequence[Entry]) -> tuple[float, float] | None:
    """The least and the most that a message took in a trial with nothing planted and nothing beside it."""
    quiet = [line["pairs"] for line in lines if not line["effect"] and not line["hogs"] and line["pairs"]]
    typical = [median(pair[BASE]["p50"] for pair in pairs) for pairs in quiet]
    return (min(typical), max(typical)) if typical else None


def _rates(lines: Sequence[Entry]) -> list[Entry]:
    """Of every rule, how often it said FAIL."""
    told = rules.said(lines)
    found = []
    for hogs in (False, True):
        for effect in (0.0, *EFFECTS):
            own = [at for at, line in enumerate(lines) if (line["hogs"], line["effect"]) == (hogs, effect)]
            if not own:
                continue
            verdicts = [rules.ours(lines[at]) for at in own]
            found.append(
                {
                    "condition": condition(hogs=hogs),
                    "effect": effect,
                    "trials": len(own),
                    "rules": {rule: _share([told[at][rule] for at in own]) for rule in told[own[0]]},
                    "verdicts": {word: verdicts.count(word) for word in sorted(set(verdicts))},
                    "seconds": _mean([lines[at]["seconds"] for at in own]),
                    "blocks": _mean([lines[at]["blocks"] for at in own]),
                }
            )
    return found


def _share(said: Sequence[bool | None]) -> float | None:
    known = [each for each in said if each is not None]
    return sum(known) / len(known) if known else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _simulated(lines: Sequence[Entry], gates: int, *, hogs: bool) -> Entry | None:
    recorded = simulation.noise([line for line in lines if line["hogs"] == hogs], tuple(DELTAS))
    if recorded.blocks < _LEAST_NOISE or not gates:
        return None
    few = min(gates, _SEARCH_GATES)
    return {
        "condition": condition(hogs=hogs),
        "recorded_blocks": recorded.blocks,
        "metrics": list(recorded.differences),
        "gates": gates,
        "slower_gates": few,
        "false_alarms": simulation.failures(recorded, 0.0, gates, BLOCKS, DELTAS, 1) / gates,
        "power": {
            f"{effect:g}": simulation.failures(recorded, effect, few, BLOCKS, DELTAS, 2) / few
            for effect in EFFECTS
        },
        "smallest_effect": simulation.smallest_effect(recorded, few, BLOCKS, DELTAS, 3),
    }


def bars(rates: Sequence[Entry], simulated: Sequence[Entry]) -> list[Bar]:
    """What the gate promises."""
    ours = {(each["condition"], each["effect"]): each for each in rates}

    def bar(name: str, key: tuple[str, float], limit: float, *, at_most: bool = False) -> Bar:
        each = ours.get(key)
        reached = each["rules"][rules.OURS] if each else None
        return Bar(name, reached, limit, each["trials"] if each else 0, at_most)

    return [
        bar("false alarms, quiet", ("quiet", 0.0), 0.0, at_most=True),
        bar("false alarms, hogs", ("hogs", 0.0), 0.0, at_most=True),
        bar("10% slower found, quiet", ("quiet", 0.10), 0.90),
        bar("20% slower found, quiet", ("quiet", 0.20), 1.0),
        bar("10% slower found, hogs", ("hogs", 0.10), 0.80),
        *(
            Bar(
                f"false alarms, simulated, {each['condition']}",
                each["false_alarms"],
                0.01,
                each["gates"],
                True,
            )
            for each in simulated
        ),
    ]


def _outcome(found: Sequence[Bar]) -> bool | None:
    held = [bar.holds for bar in found]
    return False if False in held else None if None in held else True
