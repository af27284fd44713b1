"""What benchmark-action/github-action-benchmark reads as `customSmallerIsBetter` and `customBiggerIsBetter`.

A list of {name, unit, value, range, extra}. Valid cells only: the action draws a chart over time and alerts on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from benchkit.report.exports import Figures
from benchkit.report.exports.measures import Better, Measure, qualified, valid_only

_SHOWN: Final = frozenset(
    {"latency p50", "latency p99", "throughput", "cpu producer", "cpu stage", "cpu broker", "wire"}
)
_UNITS: Final = {"s": ("us", 1e6), "B": ("B", 1.0), "1/s": ("messages/s", 1.0), "1": ("share", 1.0)}


def smaller(source: Figures) -> Iterator[str]:
    """Latencies, processor time, bytes."""
    return _entries(source, "smaller")


def bigger(source: Figures) -> Iterator[str]:
    """Throughput."""
    return _entries(source, "bigger")


def _entries(source: Figures, better: Better) -> Iterator[str]:
    several = qualified(source)
    rows = [
        _entry(each, several=several)
        for each in valid_only(source)
        if each.better == better and each.name in _SHOWN
    ]
    yield json.dumps(rows, indent=1) + "\n"


def _entry(each: Measure, *, several: bool) -> dict[str, str | float]:
    unit, scale = _UNITS[each.unit]
    cell = f"{each.scenario}: {each.cell}" if several else each.cell
    found: dict[str, str | float] = {"name": f"{cell} {each.name}", "unit": unit, "value": each.value * scale}
    if each.low is not None and each.high is not None:
        # The action shows one number after a plus-minus sign: the longer side is the honest one.
        side = max(each.value - each.low, each.high - each.value) * scale
        found["range"] = f"± {side:.4g}"
        found["extra"] = f"95% interval {each.low * scale:.4g} to {each.high * scale:.4g} {unit}"
    return found
