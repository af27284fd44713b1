"""How much of the measured time each party worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchkit.analysis.measure import Measure


@dataclass(frozen=True, slots=True)
class Busy:
    """Shares of the measured time, 0 to 1."""

    stage: float
    """Decoding, computing and replying, over all workers."""
    encode: float
    send: float
    producer_cpu: float | None
    """CPU time of the producer less its pacing; None when it was not recorded."""


IDLE: Final = Busy(0.0, 0.0, 0.0, None)


def busy(measure: Measure, workers: int, producer_cpu_ns: int | None, *, producers: int = 1) -> Busy:
    """The parties' busy shares from the phases' totals and the measured span; of several alike, the mean."""
    span = max(1, measure.span_ns)

    def of(name: str) -> float:
        return measure.of_producer(name).mean_ns * measure.latency.count / span / producers

    return Busy(
        stage=min(1.0, measure.stage_busy_ns / span / max(1, workers)),
        encode=min(1.0, of("encode")),
        send=min(1.0, of("send")),
        producer_cpu=None if producer_cpu_ns is None else producer_cpu_ns / span / producers,
    )
