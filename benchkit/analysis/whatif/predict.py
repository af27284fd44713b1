"""Capacity and latency after a change, from demands; each with its reason where there is no telling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchkit.analysis.measure import Measure
from benchkit.analysis.whatif.changes import Change
from benchkit.analysis.whatif.demands import Demands, Model, scaled, swapped
from benchkit.analysis.whatif.figures import WAITS
from benchkit.analysis.whatif.latency import Station, wait_ratio
from benchkit.words import named, say


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one cell."""

    model: Model
    measure: Measure
    rate_per_s: float | None
    """None in a closed loop."""

    @property
    def p50_us(self) -> float | None:
        """The cell's own, as it was measured."""
        p50 = self.measure.latency.quantiles_ns["p50"]
        return None if p50 is None else p50 / 1e3

    def phase_p50_us(self, name: str) -> float:
        """Median of a phase at the cell's own rate, its mean where there are too few messages."""
        phase = self.measure.phases[name]
        p50 = phase.quantiles_ns["p50"]
        return (phase.mean_ns if p50 is None else p50) / 1e3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A predicted figure, or why there is none."""

    predicted: float | None
    why_not: str = ""
    limited_by: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a change would make of capacity (per second) and of p50 (microseconds)."""

    change: Change
    capacity: Outcome
    latency: Outcome
    source: str
    assumption: str = ""


def predict(known: Known, change: Change, donor: Known | None, in_flight: int | None = None) -> Prediction:
    """What the change would make of the cell.

    `donor` is a cell of the same group with the wanted transport or codec and all else alike, for a swap of these;
    `in_flight` the depth of the closed loop with other workers or another batch size.
    """
    if change.kind == "phase":
        return _halved(known, change)
    if change.kind in ("transport", "codec"):
        if donor is None:
            why = say(
                "no cell with {kind} {name} and all else alike was saturated: demands not known",
                kind=change.kind,
                name=change.name,
            )
            return Prediction(change, Outcome(None, why), Outcome(None, why), "")
        return _swapped(known, change, donor)
    count = int(change.name)
    if change.kind == "workers":
        changed = replace(
            known.model.demands, workers=count, in_flight=in_flight or known.model.demands.in_flight
        )
        return Prediction(
            change, _capacity(known, changed), _latency(known, changed, {}), say("demands of this cell"),
            say("the broker and the cores do not slow each worker down"),
        )  # fmt: skip
    changed = replace(known.model.demands, in_flight=in_flight or known.model.demands.in_flight)
    why = say("how long a batch waits to fill is not known before it is tried")
    return Prediction(
        change, _capacity(known, changed), Outcome(None, why), say("demands of this cell"),
        say("the stage takes n times as long for n messages: what batching saves shows when it is "
        "confirmed"),
    )  # fmt: skip


def _halved(known: Known, change: Change) -> Prediction:
    alone_us = known.phase_p50_us(change.name)
    changed = scaled(known.model.demands, change.name, 0.5, alone_us)
    less = {change.name: -alone_us / 2}
    return Prediction(
        change, _capacity(known, changed), _latency(known, changed, less), say("demands of this cell")
    )


def _swapped(known: Known, change: Change, donor: Known) -> Prediction:
    changed = swapped(known.model.demands, donor.model.demands)
    other = {
        name: donor.phase_p50_us(name) - known.phase_p50_us(name)
        for name in known.measure.phases
        if name not in WAITS and name != "compute"
    }
    source = say("demands measured with {kind} {name} in this run", kind=change.kind, name=change.name)
    return Prediction(change, _capacity(known, changed), _latency(known, changed, other), source)


def _capacity(known: Known, changed: Demands) -> Outcome:
    predicted, limit = known.model.capacity(changed)
    return Outcome(predicted, limited_by=limit)


def _latency(known: Known, changed: Demands, differences_us: Mapping[str, float]) -> Outcome:
    """p50 with the phases' own times changed by so much, and the waits for producer and stage scaled."""
    now_us, before, rate = known.p50_us, known.model.demands, known.rate_per_s
    if now_us is None:
        return Outcome(None, say("too few messages for a median"))
    if rate is None:
        return _by_little(known, changed, now_us)
    capacity, limit = known.model.capacity(changed)
    if rate >= 0.95 * capacity:
        return Outcome(
            None,
            say(
                "the load is {rate:.0%} of the predicted capacity ({limit})",
                rate=rate / capacity,
                limit=named(limit),
            ),
        )
    if rate >= 0.95 * known.model.capacity_per_s:
        return Outcome(
            None, say("the present load is beyond capacity: its latency is that of the block's length")
        )
    waits_us = 0.0
    for phase, was, becomes in (
        ("queue", Station(before.worker_us, before.workers), Station(changed.worker_us, changed.workers)),
        (
            "lateness",
            Station(before.producer_us, before.producers),
            Station(changed.producer_us, changed.producers),
        ),
    ):
        ratio = wait_ratio(was, becomes, rate)
        if ratio is None:
            return Outcome(None, say("{phase}: its station is as good as saturated", phase=named(phase)))
        waits_us += (ratio - 1) * known.phase_p50_us(phase)
    return Outcome(max(0.0, now_us + sum(differences_us.values()) + waits_us), limited_by=limit)


def _by_little(known: Known, changed: Demands, now_us: float) -> Outcome:
    """R = N/X - Z in a closed loop; p50 as the mean."""
    demands = known.model.demands
    was_us = demands.in_flight * 1e6 / known.model.capacity_per_s - demands.think_us
    capacity, limit = known.model.capacity(changed)
    becomes_us = changed.in_flight * 1e6 / capacity - changed.think_us
    if was_us <= 0:
        return Outcome(None, say("the think time hides the latency"))
    return Outcome(max(0.0, now_us * becomes_us / was_us), limited_by=limit)
