"""Figures of fault trials as rows of the table of measures: one fault on one cell, what it cost, how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]
Figure = tuple[str, str, str, float, Sequence[float] | None]
"""Metric, of, unit, value, 95% interval."""


def fault_rows(run: Entry) -> Iterator[tuple[str, bool, Figure]]:
    """Name (`kill stage, backlog: shm/raw`), whether it holds, and each of its figures."""
    for each in (run.get("faults") or {}).get("matrix", []):
        name = f"{each['fault']}, {each['moment']}: {each['cell']}"
        for figure in _figures(each):
            yield name, bool(each["valid"]), figure


def _figures(each: Entry) -> Iterator[Figure]:
    for metric, key in (("detect", "detect_s"), ("first success", "first_success_s"), ("recover", "mttr_s")):
        times = each[key]
        if times["median_s"] is not None:
            yield metric, "median", "s", times["median_s"], times["ci95_s"]
        if times["mean_s"] is not None:
            yield metric, "mean", "s", times["mean_s"], None
    for name in ("lost", "unknown", "duplicated", "unexpected", "torn", "delayed"):
        yield name, "faults", "1", float(each[name]), None
    if each["held"] is not None:
        yield "broken guarantee", "faults", "1", float(not each["held"]), None
