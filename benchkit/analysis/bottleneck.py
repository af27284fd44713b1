"""The verdict of a cell: which phase holds the time, whose it is, and what speaks for it.

The bottleneck is the phase with the largest part of the mean latency of delivered messages, if that is at
least 35%. Lateness is a symptom: messages left late because the producer was held up, so it is traced to
the stage (busy nearly all the time), to `send` (the transport pushed back) or to the producer itself.

`confidence` is a grade, not a probability: the share of blocks that name the same phase, times the margin
over the second phase (20 points of the latency or more count in full).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchkit.analysis.measure import Measure
from benchkit.analysis.validity import percent
from benchkit.records.samples import PHASES
from benchkit.units import show_us

DOMINATES: Final = 0.35
_FULL_MARGIN: Final = 0.20
_BUSY: Final = 0.85

# Whose phase it is; "carrier" is the broker where the cell has one, else the link.
RESOURCE: Final[Mapping[str, str]] = {
    "lateness": "producer", "encode": "producer", "producer": "producer",
    "send": "carrier", "transit": "carrier", "reply": "carrier", "return": "carrier",
    "queue": "stage", "decode": "stage", "batch": "stage", "compute": "stage", "none": "none",
}  # fmt: skip
_STAGE_WORK: Final = ("decode", "compute", "reply")


@dataclass(frozen=True, slots=True)
class Verdict:
    """As run.json holds it."""

    bottleneck: str
    resource: str
    share: float
    evidence: list[str]
    confidence: float


NONE: Final = Verdict("none", "none", 0.0, [], 0.0)


@dataclass(frozen=True, slots=True)
class Busy:
    """How much of the measured time each party worked, 0 to 1."""

    stage: float
    """Decoding, computing and replying, over all workers."""
    encode: float
    send: float
    producer_cpu: float | None
    """CPU time of the producer less its pacing; None when it was not recorded."""


def busy(measure: Measure, workers: int, producer_cpu_ns: int | None, *, producers: int = 1) -> Busy:
    """The parties' busy shares from the phases' totals and the measured span; of several alike, the mean."""
    span = max(1, measure.span_ns)

    def of(*names: str) -> float:
        return sum(measure.phases[name].mean_ns for name in names) * measure.latency.count / span / producers

    return Busy(
        stage=min(1.0, measure.stage_busy_ns / span / max(1, workers)),
        encode=min(1.0, of("encode")),
        send=min(1.0, of("send")),
        producer_cpu=None if producer_cpu_ns is None else producer_cpu_ns / span / producers,
    )


def verdict(measure: Measure, load: Busy, *, has_broker: bool) -> Verdict:
    """The verdict of a valid cell."""
    if not measure.latency.count:
        return NONE
    shares = {phase: measure.share(phase) for phase in PHASES}
    first, second = sorted(shares, key=lambda phase: -shares[phase])[:2]
    own, whole = (show_us(each.mean_ns / 1e3) for each in (measure.phases[first], measure.latency))
    largest = f"{first} is {percent(shares[first])} of the mean latency, {own} of {whole}"
    evidence = [f"{largest}; next is {second} with {percent(shares[second])}"]
    agreement = _agreement(measure, first)
    if len(measure.blocks) > 1:
        evidence.append(
            f"{first} is the largest phase in {percent(agreement)} of {len(measure.blocks)} blocks"
        )
    if shares[first] < DOMINATES:
        clear = min(1.0, (DOMINATES - shares[first]) / _FULL_MARGIN)
        return Verdict(
            "none", "none", shares[first], [*evidence, f"no phase reaches {percent(DOMINATES)}"], clear
        )
    bottleneck = _cause(measure, load, evidence) if first == "lateness" else first
    if first == "queue":
        evidence.append(f"the stage worked {percent(load.stage)} of the time")
    resource = RESOURCE[bottleneck]
    if resource == "carrier":
        resource = "broker" if has_broker else "link"
    margin = min(1.0, (shares[first] - shares[second]) / _FULL_MARGIN)
    return Verdict(bottleneck, resource, shares[first], evidence, agreement * margin)


def _agreement(measure: Measure, first: str) -> float:
    at = PHASES.index(first)
    return float(np.mean([int(np.argmax(block.phase_means_ns)) == at for block in measure.blocks]))


def _cause(measure: Measure, load: Busy, evidence: list[str]) -> str:
    """What held the producer up when messages left late; says so in `evidence`."""
    if load.stage >= _BUSY:
        evidence.append(f"messages left late while the stage worked {percent(load.stage)} of the time")
        return max(_STAGE_WORK, key=lambda phase: measure.phases[phase].mean_ns)
    if load.send >= max(0.5, load.encode):
        evidence.append(
            f"the producer was held in send {percent(load.send)} of the time: the transport pushed back"
        )
        return "send"
    if load.encode >= 0.5:
        evidence.append(f"the producer encoded {percent(load.encode)} of the time")
        return "encode"
    cpu = "" if load.producer_cpu is None else f", its CPU busy {percent(load.producer_cpu)} of the time"
    evidence.append(f"messages left late although neither send nor the stage held the producer up{cpu}")
    return "producer"
