"""The promises of a scenario (SLO): kept, broken, or not decidable with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchkit.analysis.measure import Measure


def promises(
    cell: str, slo: Mapping[str, float], measure: Measure, account: Mapping[str, int], *, decidable: bool
) -> list[dict[str, Any]]:
    """One entry per promise: cell, name, limit, value, kept (None where it cannot be decided: an invalid cell).

    Percentiles and `max` are in seconds; `loss` is the share of scheduled messages that were not delivered.
    """
    return [
        _promise(cell, name, limit, _value(name, measure, account) if decidable else None)
        for name, limit in slo.items()
    ]


def _promise(cell: str, name: str, limit: float, value: float | None) -> dict[str, Any]:
    return {
        "cell": cell,
        "name": name,
        "limit": limit,
        "value": value,
        "kept": None if value is None else value <= limit,
    }


def _value(name: str, measure: Measure, account: Mapping[str, int]) -> float | None:
    if name == "loss":
        scheduled = account["scheduled"]
        return 1 - account["delivered"] / scheduled if scheduled else None
    if name == "max":
        return measure.latency.max_ns / 1e9 if measure.latency.count else None
    nanoseconds = measure.latency.quantiles_ns.get(name)
    return None if nanoseconds is None else nanoseconds / 1e9
