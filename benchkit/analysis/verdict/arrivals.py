"""How unevenly messages were due, and how unevenly the stage worked: what queueing is made of.

By Kingman's approximation (Proceedings of the Cambridge Philosophical Society 57, 1961, 902) the mean wait in
a queue grows with (ca^2 + cs^2) / 2, where ca and cs are the coefficients of variation (deviation over mean) of
the gaps between arrivals and of the service times. So the two tell apart who makes the queue at a given load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchkit.analysis.ledger import Column, Selection, select_scheduled
from benchkit.records.samples import Samples

_MOST_ROWS: Final = 200_000
"""Of a cell, from its beginning: enough for two digits of a coefficient of variation."""
_LEAST: Final = 5


@dataclass(frozen=True, slots=True)
class Unevenness:
    """Coefficients of variation; None where there is too little to say."""

    arrivals: float | None
    service: float | None
    """Of decoding and computing, message by message."""


UNKNOWN: Final = Unevenness(None, None)


def unevenness(samples: Samples) -> Unevenness:
    """Of one cell's scheduled messages after warm-up; `samples` of shape (n,), dtype SAMPLE."""
    chosen = select_scheduled(samples[:_MOST_ROWS])
    gaps = [_gaps(each) for each in chosen.by_block(chosen.column("due"))]
    return Unevenness(_cv(gaps), _cv([_service_ns(chosen)]))


def _gaps(due: Column) -> Column:
    ordered = np.sort(due)
    return ordered[1:] - ordered[:-1]


def _service_ns(chosen: Selection) -> Column:
    stamp = chosen.column
    done = (stamp("finished") > 0) & (stamp("started") > 0)
    decode, compute = stamp("decoded") - stamp("received"), stamp("finished") - stamp("started")
    service: Column = (decode + compute)[done]
    return service


def _cv(parts: list[Column]) -> float | None:
    """Of all parts together, each about its own mean: blocks may differ in their rate."""
    parts = [part for part in parts if len(part) >= _LEAST]
    count = sum(map(len, parts))
    total = sum(float(part.sum()) for part in parts)
    if not parts or total <= 0:
        return None
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return float(np.sqrt(squares / count) / (total / count))
