"""How much a figure varies from run to run: learned of runs that were spread over time, else assumed or stated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

ASSUMED_LOG_SD: Final = 0.24
"""p50 of single runs of one cell on a two-core virtual machine, hours apart."""
LEAST_RUNS: Final = 4
LEAST_SPAN_S: Final = 3600.0
"""Runs made back to back differ by a percent and teach nothing of tomorrow."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Where the between-run noise of a baseline comes from."""

    source: Literal["learned", "stated", "assumed"]
    log_sd: float | None
    """Of each figure's logarithm; None where each figure has its own."""
    runs: int
    span_s: float

    def of(self, own_log_sd: float | None) -> float:
        """Standard deviation of one figure's logarithm; what was seen to vary more is not talked down."""
        return max(own_log_sd or 0.0, self.log_sd or 0.0)

    @property
    def freedom(self) -> float:
        """Degrees of freedom; without an end where the noise is not learned."""
        return float(self.runs - 1) if self.source == "learned" else math.inf

    def plain(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Noise:
        """From the file; raises KeyError or TypeError."""
        return cls(found["source"], found["log_sd"], int(found["runs"]), float(found["span_s"]))


def noise(started_utc: Sequence[str], stated: float | None) -> Noise:
    """Of runs that began then; `stated` is a share (0.05) that somebody vouches for."""
    span = _span_s(started_utc)
    if stated is not None:
        return Noise("stated", math.log1p(stated), len(started_utc), span)
    if len(started_utc) >= LEAST_RUNS and span >= LEAST_SPAN_S:
        return Noise("learned", None, len(started_utc), span)
    return Noise("assumed", ASSUMED_LOG_SD, len(started_utc), span)


def _span_s(started_utc: Sequence[str]) -> float:
    try:
        moments = [datetime.fromisoformat(each).timestamp() for each in started_utc]
    except ValueError:
        return 0.0
    return max(moments) - min(moments)
