"""Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}, for `bencher run --adapter json`.

Bencher's own measures `latency` (nanoseconds) and `throughput` (per second) are used as it means them; others are
named by what they are. Schema: bencher.dev/bmf.json. Valid cells only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from benchkit.report.exports import Figures
from benchkit.report.exports.measures import qualified, valid_only

_MEASURES: Final = {
    "latency p50": ("latency", 1e9), "latency p99": ("latency-p99", 1e9), "latency mean": ("latency-mean", 1e9),
    "throughput": ("throughput", 1.0), "cpu producer": ("producer-cpu", 1e9), "cpu stage": ("stage-cpu", 1e9),
    "cpu broker": ("broker-cpu", 1e9), "wire": ("wire-bytes", 1.0),
}  # fmt: skip
_LONGEST: Final = 1024


def export(source: Figures) -> Iterator[str]:
    """The document."""
    several = qualified(source)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for each in valid_only(source):
        if each.name not in _MEASURES:
            continue
        measure, scale = _MEASURES[each.name]
        name = (f"{each.scenario}: {each.cell}" if several else each.cell)[:_LONGEST]
        metric = {"value": each.value * scale}
        if each.low is not None and each.high is not None:
            metric |= {"lower_value": each.low * scale, "upper_value": each.high * scale}
        found.setdefault(name, {})[measure] = metric
    yield json.dumps(found, indent=1) + "\n"
