"""The figures of runs as rows, which every table of numbers is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from benchkit.report.exports import Figures
from benchkit.report.exports.fault_rows import fault_rows

Entry = Mapping[str, Any]
ROLES: Final = ("producer", "stage", "broker")
Better = Literal["smaller", "bigger"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one cell."""

    scenario: str
    started_utc: str
    cell: str
    valid: bool
    metric: str
    """`latency`, `phase`, `throughput`, `cpu`, `memory`, `wire`, `loss`, `age`, `staleness`, `goodput`, `freezes`,
    `backlog`, `drain`; of fault trials `detect`, `first success`, `recover`, `lost`, `duplicated`, ..."""
    of: str
    """`p50`, `mean`, ... of a latency or an age; the phase; the role; `most` of a backlog; else empty."""
    unit: str
    """`s`, `B`, `1/s`, `1` (a share or a count)."""
    value: float
    low: float | None
    """Lower end of the 95% interval, where there is one."""
    high: float | None
    better: Better

    @property
    def name(self) -> str:
        """`latency p50`."""
        return f"{self.metric} {self.of}".strip()


def measures(source: Figures) -> Iterator[Measure]:
    """Every figure of every cell that has one; figures of an invalid cell are marked and not left out."""
    for run in source.runs:
        head = str(run["scenario"].get("name") or "run"), str(run["started_utc"])
        for cell in run["cells"]:
            for metric, of, unit, value, interval, better in _rows(cell):
                if value is not None:
                    low, high = interval or (None, None)
                    valid = bool(cell["validity"]["valid"])
                    yield Measure(*head, cell["id"], valid, metric, of, unit, float(value), low, high, better)
        for name, valid, (metric, of, unit, value, interval) in fault_rows(run):
            low, high = interval or (None, None)
            yield Measure(*head, name, valid, metric, of, unit, value, low, high, "smaller")


def valid_only(source: Figures) -> Iterator[Measure]:
    """Those of valid cells: what a chart over time or a threshold may be made of."""
    return (each for each in measures(source) if each.valid)


def qualified(source: Figures) -> bool:
    """Names of cells need their scenario's beside them."""
    return len({str(run["scenario"].get("name")) for run in source.runs}) > 1


Row = tuple[str, str, str, float | None, tuple[float, float] | None, Better]


def _rows(cell: Entry) -> Iterator[Row]:
    latency = cell["latency_us"]
    for name in ("mean", "p50", "p90", "p99", "p999", "max"):
        interval = _seconds(latency.get(f"{name}_ci95"))
        yield "latency", name, "s", _second(latency.get(name)), interval, "smaller"
    for name, phase in cell["phases_us"].items():
        yield "phase", name, "s", _second(phase["mean"]), _seconds(phase.get("mean_ci95")), "smaller"
    yield "throughput", "", "1/s", cell["throughput"]["messages_per_s"], None, "bigger"
    for role in ROLES:
        yield "cpu", role, "s", _second(cell["cost"][f"{role}_cpu_us_per_message"]), None, "smaller"
        yield "memory", role, "B", cell["cost"]["peak_rss_bytes"].get(role) or None, None, "smaller"
    yield "wire", "", "B", cell.get("wire_bytes"), None, "smaller"
    scheduled = cell["account"]["scheduled"]
    lost = 1 - cell["account"]["delivered"] / scheduled if scheduled else None
    yield "loss", "", "1", lost, None, "smaller"
    yield from _fresh(cell.get("freshness"), cell.get("bulk"))


def _fresh(fresh: Entry | None, work: Entry | None) -> Iterator[Row]:
    """Freshness and backlog; nothing where an older benchkit saw none of it."""
    if fresh:
        for name in ("p50", "p99"):
            yield "age", name, "s", _second(fresh["age_us"][name]), None, "smaller"
        for name in ("mean", "p99"):
            yield "staleness", name, "s", _second(fresh["staleness_us"][name]), None, "smaller"
        yield "goodput", "", "1", fresh["goodput_share"], None, "bigger"
        yield "freezes", "", "1", fresh["freezes"]["count"], None, "smaller"
    if work:
        yield "backlog", "most", "1", work["backlog"]["most"], None, "smaller"
        yield "drain", "", "s", work["drain_s"], None, "smaller"


def _second(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def _seconds(interval: Sequence[float] | None) -> tuple[float, float] | None:
    return (interval[0] / 1e6, interval[1] / 1e6) if interval else None
