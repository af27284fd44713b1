"""The what-if of each cell as run.json holds it; see the package's docstring for the shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchkit.analysis.analysed import Analysed
from benchkit.analysis.disturbance import disturbed
from benchkit.analysis.intervals import Interval
from benchkit.analysis.link import burden
from benchkit.analysis.pools import Distribution
from benchkit.analysis.whatif import confirmed as made
from benchkit.analysis.whatif.changes import HALVED, Change, parse
from benchkit.analysis.whatif.confirmed import Measured
from benchkit.analysis.whatif.demands import demands, model
from benchkit.analysis.whatif.figures import WAITS
from benchkit.analysis.whatif.predict import Known, Outcome, Prediction, predict
from benchkit.analysis.whatif.sensitivity import Sensitivity, Slope, sensitivities
from benchkit.analysis.whatif.words import meaning
from benchkit.records.run import Run, Trial
from benchkit.records.what_if import Figures, WhatIf
from benchkit.words import say

Entry = dict[str, Any]


def answers(run: Run, cells: Sequence[Analysed]) -> dict[str, Entry]:
    """By cell id; cells about which nothing was asked are left out."""
    if run.what_if is None:
        return {}
    mine: dict[str, list[Trial]] = {}
    upset = disturbed([trial.block for trial in run.trials])
    for trial in run.trials:
        calm = trial.block.index not in upset
        mine.setdefault(trial.block.cell, []).append(trial if calm else replace(trial, figures=None))
    known = {
        each.cell.id: found for each in cells if (found := _known(run, each, mine.get(each.cell.id, [])))
    }
    asked = mine.keys() | run.what_if.left_out.keys()
    return {
        each.cell.id: _entry(_Case(run.what_if, each, cells, mine.get(each.cell.id, []), known))
        for each in cells
        if each.cell.id in asked
    }


@dataclass(frozen=True, slots=True)
class _Case:
    """One cell with what its answers are made of."""

    asked: WhatIf
    done: Analysed
    cells: Sequence[Analysed]
    trials: Sequence[Trial]
    known: Mapping[str, Known]

    @property
    def own(self) -> Known | None:
        return self.known.get(self.done.cell.id)

    @property
    def changes(self) -> list[Change]:
        """What was asked beside the phases."""
        return [parse(key, self.done.cell) for key in self.asked.changes.get(self.done.cell.id, ())]


def _entry(case: _Case) -> Entry:
    own, trials = case.own, case.trials
    predictions = list(_predictions(case, own)) if own else []
    by_key = {each.change.key: each for each in predictions}
    tried = {trial.change for trial in trials}
    left = list(case.asked.left_out.get(case.done.cell.id, ()))
    if case.done.cell.external_stage:
        left.append(
            say("predictions: the stage is a server of its own, what a message asks of it is not seen")
        )
    return {
        "now": _now(own, trials) if own else None,
        "predictions": [_prediction(each, own) for each in predictions] if own else [],
        "sensitivity": [_sensitivity(each) for each in sensitivities(trials)],
        "confirmed": [
            _confirmed(change, trials, by_key.get(change.key))
            for change in case.changes
            if change.key in tried
        ],
        "disturbed": sum(trial.figures is None for trial in trials),
        "left_out": left,
    }


def _known(run: Run, done: Analysed, trials: Sequence[Trial]) -> Known | None:
    """Demands at saturation; None without a saturated trial or a measured message."""
    saturated = _saturated(trials)
    if not saturated or not done.measure.latency.count or done.cell.external_stage:
        return None
    cell, phases = done.cell, done.measure.phases
    cores, load = run.environment.get("cores"), cell.parameters.get("load")
    think = load.get("think") if isinstance(load, Mapping) else None
    shared = run.what_if is not None and cell.id in run.what_if.one_process
    # What a message takes when it is alone is never more than what it takes in a crowd.
    alone_us = min(
        sum(_p50_ns(each) for name, each in phases.items() if name not in WAITS),
        *(sum(mean for name, mean in each.phase_means_ns.items() if name not in WAITS) for each in saturated),
    ) / 1e3  # fmt: skip
    found = demands(
        saturated, alone_us, producers=cell.producers, workers=cell.workers,
        in_flight=next(t.in_flight for t in trials if t.mode == "saturated" and not t.change) or 1,
        think_us=float(think or 0.0) * 1e6, cores=cores if isinstance(cores, int) else 1, one_process=shared,
        link_us=burden(cell, done.blocks).transmission_us,
    )  # fmt: skip
    rates = made.by_round(trials, "", "saturated", made.per_s)
    asked = [block.offered_per_s for block in done.blocks if block.offered_per_s is not None]
    return Known(model(found, made.center(rates)), done.measure, asked[0] if asked else None)


def _p50_ns(phase: Distribution) -> float:
    p50 = phase.quantiles_ns["p50"]
    return phase.mean_ns if p50 is None else p50


def _saturated(trials: Sequence[Trial]) -> list[Figures]:
    """Of the cell as it is, nothing slowed."""
    return [
        trial.figures
        for trial in trials
        if trial.mode == "saturated" and not trial.change and trial.block.slowed is None and trial.figures
    ]


def _now(known: Known, trials: Sequence[Trial]) -> Entry:
    rates = made.by_round(trials, "", "saturated", made.per_s)
    limit = known.model.bound(known.model.demands)
    return {
        "capacity_per_s": known.model.capacity_per_s,
        "capacity_ci95": _spread(rates),
        "blocks": len(rates),
        "in_flight": known.model.demands.in_flight,
        "limited_by": limit.name,
        "explained": known.model.explained,
        "p50_us": known.p50_us,
        "resources": [
            {
                **asdict(each),
                "saturates_per_s": each.saturates_per_s,
                "utilisation": known.model.capacity_per_s / each.saturates_per_s,
            }
            for each in known.model.resources(known.model.demands)
        ],
    }


def _spread(rates: Mapping[int, float]) -> list[float] | None:
    """The 95% interval of the rounds' logarithms."""
    ones = dict.fromkeys(rates, 1.0)
    found = made.compared(ones, dict(rates))
    return _pair(found.interval) if found else None


def _predictions(case: _Case, own: Known) -> Iterator[Prediction]:
    for phase in HALVED:
        if case.done.measure.phases[phase].mean_ns > 0:
            yield predict(own, Change("phase", phase), None)
    for change in case.changes:
        yield predict(own, change, _donor(change, case), _in_flight(own, change, case.trials))


def _donor(change: Change, case: _Case) -> Known | None:
    """A cell that differs in this alone."""
    if change.kind not in ("transport", "codec"):
        return None
    own, other = case.done.cell, "codec" if change.kind == "transport" else "transport"
    for each in (each.cell for each in case.cells):
        alike = each.group == own.group and getattr(each, other) == getattr(own, other)
        if alike and getattr(each, change.kind) == change.name and each.id in case.known:
            return case.known[each.id]
    return None


def _in_flight(own: Known, change: Change, trials: Sequence[Trial]) -> int:
    """As it was tried, or in proportion to what works at a time."""
    tried = [trial.in_flight for trial in trials if trial.change == change.key and trial.in_flight]
    now = own.model.demands
    if tried or change.kind not in ("workers", "batch"):
        return tried[0] if tried else now.in_flight
    if own.rate_per_s is None:
        return now.in_flight
    return max(1, now.in_flight * int(change.name) // int(change.before))


def _prediction(found: Prediction, known: Known) -> Entry:
    change = found.change
    return {
        "kind": change.kind,
        "name": change.name,
        "from": change.before,
        "change": change.key,
        "words": change.words,
        "capacity_per_s": _outcome(found.capacity, known.model.capacity_per_s),
        "latency_us": _outcome(found.latency, known.p50_us),
        "source": found.source,
        "assumption": found.assumption,
    }


def _outcome(found: Outcome, now: float | None) -> Entry:
    return {
        "now": now,
        "predicted": found.predicted,
        "limited_by": found.limited_by,
        "why_not": found.why_not,
    }


def _confirmed(change: Change, trials: Sequence[Trial], predicted: Prediction | None) -> Entry:
    capacity, latency = (
        made.compared(
            made.by_round(trials, "", mode, figure), made.by_round(trials, change.key, mode, figure)
        )
        for mode, figure in _read(trials)
    )
    rounds = max((each.rounds for each in (capacity, latency) if each), default=0)
    failures = [f.what for t in trials if t.change == change.key for f in t.block.failures]
    return {
        "change": change.key,
        "words": change.words,
        "rounds": rounds,
        "capacity_per_s": _measured(capacity, predicted.capacity if predicted else None),
        "latency_us": _measured(latency, predicted.latency if predicted else None),
        "failed": "" if rounds else next(iter(failures), say("too few messages arrived")),
    }


def _read(trials: Sequence[Trial]) -> tuple[tuple[str, Callable[[Figures], float]], ...]:
    """Where capacity and latency are read: a closed loop's own blocks are both."""
    paced = any(trial.mode == "paced" for trial in trials)
    return ("saturated", made.per_s), ("paced" if paced else "saturated", made.p50_us)


def _measured(found: Measured | None, predicted: Outcome | None) -> Entry | None:
    if found is None:
        return None
    expected = predicted.predicted if predicted else None
    return {
        "now": found.now,
        "predicted": expected,
        "measured": found.after,
        "ci95": _pair(found.interval),
        "inside": found.holds(expected),
    }


def _sensitivity(found: Sensitivity) -> Entry:
    return {
        "phase": found.phase,
        "mean_us": found.mean_ns / 1e3,
        "added_us": [each / 1e3 for each in found.added_ns],
        "rounds": found.rounds,
        "throughput": None
        if found.throughput is None or found.per_added is None
        else {
            **_slope("slope", "ci95", found.throughput),
            **_slope("per_added", "per_added_ci95", found.per_added),
        },
        "latency": None
        if found.latency is None or found.p50 is None
        else {**_slope("slope", "ci95", found.latency), **_slope("p50_slope", "p50_ci95", found.p50)},
        "words": meaning(found),
    }


def _slope(value: str, interval: str, found: Slope) -> Entry:
    return {value: found.value, interval: _pair(found.interval)}


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
