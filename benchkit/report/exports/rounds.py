"""Figures as pytest-benchmark counts them, of the blocks' medians: the unit is the block, never the message.

Definitions as in pytest-benchmark 5 (`pytest_benchmark/stats.py`); a test compares them with its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]


def rounds_s(cell: Entry) -> list[float]:
    """The median latency of each block, seconds."""
    return [block["p50_us"] / 1e6 for block in cell["blocks_detail"] if block["count"]]


def extra_info(cell: Entry) -> dict[str, Any]:
    """What pytest-benchmark keeps beside its figures and shows nobody."""
    latency = cell["latency_us"]
    return {
        "unit": "median latency of a block",
        "messages": latency["count"],
        "latency_us": {name: latency[name] for name in ("mean", "p50", "p90", "p99", "p999", "max")},
        "phase_means_us": {name: phase["mean"] for name, phase in cell["phases_us"].items()},
        "messages_per_s": cell["throughput"]["messages_per_s"],
        "valid": cell["validity"]["valid"],
    }


def stats(data: Sequence[float]) -> dict[str, Any]:
    """The `stats` of one benchmark with at least one round."""
    ordered = sorted(data)
    mean = statistics.fmean(ordered)
    spread = statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    q1, median, q3 = _quartiles(ordered)
    iqr = q3 - q1
    low, high = q1 - 1.5 * iqr, q3 + 1.5 * iqr
    inside = [value for value in ordered if low <= value <= high]
    beyond = sum(not mean - spread <= value <= mean + spread for value in ordered)
    outliers = len(ordered) - len(inside)
    return {
        "min": ordered[0], "max": ordered[-1], "mean": mean, "stddev": spread, "rounds": len(ordered),
        "median": median, "iqr": iqr, "q1": q1, "q3": q3, "iqr_outliers": outliers,
        "stddev_outliers": beyond, "outliers": f"{beyond};{outliers}", "ld15iqr": inside[0],
        "hd15iqr": inside[-1], "ops": 1 / mean if mean else 0.0, "total": sum(ordered), "data": list(data),
        "iterations": 1,
    }  # fmt: skip


def _quartiles(ordered: Sequence[float]) -> tuple[float, float, float]:
    """Medians of the halves; of an odd number, the middle value counts as half in each (interpolated)."""
    place = max(0.0, (len(ordered) - 2) / 4)
    return _at(ordered, place), statistics.median(ordered), _at(ordered, len(ordered) - 1 - place)


def _at(ordered: Sequence[float], place: float) -> float:
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
