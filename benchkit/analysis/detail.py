"""What lies beneath a cell's figures: its ledgers, its single messages, its resources, and the laws that bind them.

The fields of a cell in run.json: `ledger` (`analysis.slow`), `exemplars` (`analysis.exemplars`), `resources`
(`analysis.resources`) and `laws`, of which the last holds

* `stations`: producers, workers, broker and cores, each with `demand_us`, `servers`, `saturates_per_s`;
* `bottleneck`, the one that saturates first, and `bound_per_s`, the throughput that no load can exceed, in a closed
  loop with `population` messages also by what one message takes; `least_latency_us`: no mean latency can be below it;
* `little`: see `analysis.little`; None where nothing tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis import exemplars, laws, little, resources, slow
from benchkit.analysis.hop_figures import HopFigures
from benchkit.analysis.measure import Measure
from benchkit.records.run import Block, Cell
from benchkit.records.samples import Samples


@dataclass(frozen=True, slots=True)
class Detail:
    """Of one cell."""

    ledger: slow.Slow | None
    """None without any delivered message, like the exemplars."""
    exemplars: Sequence[exemplars.Exemplar]
    resources: Sequence[resources.Resource]
    little: little.Little


def detail(
    cell: Cell,
    blocks: Sequence[Block],
    samples: Samples,
    measure: Measure,
    cores: int,
    hops: Sequence[HopFigures] = (),
) -> Detail:
    """From its blocks and messages, shape (n,); `cores` of the machine, 0 where they are not known."""
    stages = [resources.Served(each.hop.name, each.measure, each.onward_ns) for each in hops]
    ledger = slow.slow(samples)
    shown = exemplars.exemplars(ledger, blocks, samples, producers=cell.producers) if ledger else ()
    return Detail(
        ledger,
        shown,
        resources.resources(cell, blocks, measure, cores, stages),
        little.little(blocks, samples, producers=cell.producers),
    )


_ALONE: Final = ("encode", "decode", "compute", "reply")
"""Work on the message itself: what it takes when it waits for nothing and nobody."""


def as_fields(cell: Cell, measure: Measure, found: Detail) -> dict[str, Any]:
    """The fields of the cell in run.json."""
    return {
        "ledger": slow.as_document(found.ledger) if found.ledger else None,
        "exemplars": [exemplars.as_document(each) for each in found.exemplars],
        "resources": [resources.as_document(each) for each in found.resources],
        "laws": _laws(cell, measure, found),
    }


def _laws(cell: Cell, measure: Measure, found: Detail) -> dict[str, Any]:
    stations = resources.stations(found.resources)
    first = laws.bottleneck(stations)
    population, think_s = _closed(cell)
    alone_s = sum(measure.phases[name].mean_ns for name in _ALONE) / 1e9
    bound = laws.most_per_s(stations, population, alone_s + think_s)
    return {
        "stations": [
            {
                "name": each.name,
                "demand_us": each.demand_s * 1e6,
                "servers": each.servers,
                "saturates_per_s": each.saturates_per_s,
            }
            for each in stations
        ],
        "bottleneck": first.name if first else None,
        "bound_per_s": bound if stations else None,
        "population": population,
        "least_latency_us": laws.least_latency_s(stations, alone_s, population, think_s) * 1e6
        if stations
        else None,
        "little": little.as_document(found.little),
    }


def _closed(cell: Cell) -> tuple[int | None, float]:
    """Messages in a closed loop and its pause; None for any other load."""
    load = cell.parameters.get("load")
    if not isinstance(load, Mapping) or not isinstance(load.get("in_flight"), int):
        return None, 0.0
    think_s = load.get("think")
    return int(load["in_flight"]), float(think_s) if isinstance(think_s, int | float) else 0.0
