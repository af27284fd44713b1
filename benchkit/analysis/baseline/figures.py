"""What a baseline keeps of a cell of run.json, and of a run's floors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchkit.analysis.budgets import cpu_s

Entry = Mapping[str, Any]

P99_LEAST: Final = 1000
"""Messages from which on a p99 is compared."""
UNITS: Final[Mapping[str, str]] = {
    "p50_us": "us", "p99_us": "us", "messages_per_s": "/s", "cpu_us_per_message": "us", "wire_bytes": "B",
    "moved_us": "us",
}  # fmt: skip
"""The metrics of a cell; `moved_us` is what the transport does of the median (`send` to `return`, no queue)."""
HIGHER_IS_BETTER: Final = frozenset({"messages_per_s"})
EXACT: Final = frozenset({"wire_bytes"})
"""Computed and not measured: no noise."""
PATH: Final = "path_us"
"""The raw exchange beneath a cell's transport: a floor, compared with none of its own."""
_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one cell in one run."""

    value: float
    log_se: float
    """Standard error of its logarithm as far as the run itself shows it, between its blocks."""


def figures(cell: Entry) -> dict[str, Figure]:
    """The metrics of a cell of run.json that has them; a given rate is no result, and a small sample has no p99."""
    latency, beneath = cell["latency_us"], cell.get("floor") or {}
    between = _between([block["p50_us"] for block in cell["blocks_detail"]])
    found = {"p50_us": (latency["p50"], between), "wire_bytes": (cell["wire_bytes"], 0.0)}
    if latency["count"] >= P99_LEAST:
        found["p99_us"] = latency["p99"], _half(latency.get("p99_ci95"))
    if cell["load"]["offered_per_s"] is None and "capacity" not in cell:
        counts = _between([block["count"] for block in cell["blocks_detail"]])
        found["messages_per_s"] = cell["throughput"]["messages_per_s"], counts
    spent = cpu_s(cell["cost"])
    found["cpu_us_per_message"] = None if spent is None else spent * 1e6, 0.0
    found["moved_us"] = beneath.get("moved_p50_us"), between
    found[PATH] = beneath.get("p50_us"), 0.0
    return {
        name: Figure(float(value), error) for name, (value, error) in found.items() if value and value > 0
    }


def floors(document: Entry) -> dict[str, float]:
    """What the machine could do at best in that run, by name, smaller is better; empty where it was not measured."""
    floor = document.get("floor")
    if not floor:
        return {}
    copied = floor.get("memcpy_bytes_per_s")
    found = {
        "null_us": floor["null_us"].get("p50"),
        "wake_us": floor["wake_us"].get("p50"),
        "copy_us_per_MB": 1e12 / copied if copied else None,
    }
    return {name: float(value) for name, value in found.items() if value and value > 0}


def _between(values: Sequence[float]) -> float:
    """Standard error of the mean logarithm over blocks; 0 where there is one block only."""
    logs = np.log([value for value in values if value > 0] or [1.0])
    return float(np.std(logs, ddof=1)) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0


def _half(interval: Sequence[float] | None) -> float:
    """Standard error of the logarithm from a 95% interval."""
    if not interval or interval[0] <= 0:
        return 0.0
    return math.log(interval[1] / interval[0]) / (2 * _Z)
