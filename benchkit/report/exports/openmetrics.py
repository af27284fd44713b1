"""OpenMetrics text (1.0), for Prometheus and what reads it: gauges, one a figure, cells as labels.

Specification: OpenMetrics 1.0.0 (IETF draft-richih-opsawg-openmetrics-00). A family's samples stand together, units
end the names, and the text ends with `# EOF`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchkit.report.exports import Figures
from benchkit.report.exports.measures import Measure, measures


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    unit: str
    help: str
    of: str
    """The label that `Measure.of` goes to."""


_FAMILIES: Final = {
    "latency": _Family("benchkit_latency_seconds", "seconds", "Latency of messages.", "statistic"),
    "phase": _Family("benchkit_phase_seconds", "seconds", "Mean length of a phase of messages.", "phase"),
    "throughput": _Family("benchkit_throughput_per_second", "", "Messages delivered.", ""),
    "cpu": _Family("benchkit_message_cpu_seconds", "seconds", "Processor time for a message.", "role"),
    "memory": _Family("benchkit_peak_memory_bytes", "bytes", "Largest resident memory.", "role"),
    "wire": _Family("benchkit_wire_bytes", "bytes", "Bytes carried for one message.", ""),
    "loss": _Family("benchkit_loss_ratio", "ratio", "Share of messages not delivered.", ""),
    "age": _Family("benchkit_age_seconds", "seconds", "Age of messages when compute begins.", "statistic"),
    "staleness": _Family("benchkit_staleness_seconds", "seconds", "Age of the newest result.", "statistic"),
    "goodput": _Family("benchkit_goodput_ratio", "ratio", "Share of messages delivered in time.", ""),
    "freezes": _Family("benchkit_freezes", "", "Stretches without a result.", ""),
    "backlog": _Family(
        "benchkit_backlog_messages", "messages", "Most messages due without a result.", "statistic"
    ),
    "drain": _Family("benchkit_drain_seconds", "seconds", "From the last arrival until nothing waited.", ""),
}


def export(source: Figures) -> Iterator[str]:
    """The families, then whether each cell is valid; figures of one that is not are left out."""
    rows = list(measures(source))
    for metric, family in _FAMILIES.items():
        own = dict.fromkeys(each for each in rows if each.metric == metric and each.valid)
        if own:
            yield from _head(family.name, family.unit, family.help)
            for each in own:
                labels = {**_cell(each), **({family.of: each.of} if family.of else {})}
                yield f"{family.name}{_labels(labels)} {each.value!r}\n"
    yield from _head("benchkit_cell_valid", "", "1 where a cell's figures may be used.")
    cells = {tuple(_cell(each).items()): each.valid for each in rows}
    for told, valid in cells.items():
        yield f"benchkit_cell_valid{_labels(dict(told))} {int(valid)}\n"
    yield "# EOF\n"


def _head(name: str, unit: str, text: str) -> Iterator[str]:
    yield f"# TYPE {name} gauge\n"
    if unit:
        yield f"# UNIT {name} {unit}\n"
    yield f"# HELP {name} {text}\n"


def _cell(each: Measure) -> dict[str, str]:
    return {"scenario": each.scenario, "started": each.started_utc, "cell": each.cell}


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
