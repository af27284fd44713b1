"""What a pipeline's cell needs beside a cell of one stage: its hops foreseen, their promises, their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchkit.engine.crew import Crew
from benchkit.engine.leaving import way_label
from benchkit.plugins import Plugin
from benchkit.records.run import Hop
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.transports.base import Address

_PREPARE_S = 120.0
_DELIVERIES = ("at-most-once", "at-least-once", "exactly-once-observed")
_DURABILITIES = ("process", "memory", "disk")
_ORDERINGS = ("none", "per-worker", "fifo")
"""What transports promise, the weakest first."""


def foreseen(
    crew: Crew, plan: Plan, cell: PlannedCell, messages: Mapping[str, Any]
) -> tuple[Sequence[Mapping[str, Any]], tuple[Hop, ...]]:
    """What the later hops' messages are, and all hops for the record; raises what the stages raise."""
    if not cell.hops:
        return [], ()
    asked = [
        {"codec": hop.codec.config(), "stage": hop.stage.config(), "after": hop.after} for hop in cell.hops
    ]
    told = crew.ask(
        crew.get("oracle"), "foresee-chain", _PREPARE_S,
        hops=asked, stage_seed=seed_for(plan.seed, Stream.STAGE), **messages,
    )["hops"]  # fmt: skip
    hops = tuple(
        replace(hop, wire_bytes=own["wire_bytes"]) for hop, own in zip(hops_of(cell), told, strict=True)
    )
    return told[1:], hops


def hops_of(cell: PlannedCell) -> tuple[Hop, ...]:
    """The hops as the record holds them, before anything of them was made."""
    names = [hop.name for hop in cell.hops]
    return tuple(
        Hop(
            hop.name, hop.stage.kind, hop.workers, hop.transport.kind, hop.codec.kind,
            names[hop.after] if hop.after >= 0 else "", hop.batch_size,
            delivery=hop.transport.capabilities().delivery, has_broker=not hop.transport.brokerless,
        )
        for hop in cell.hops
    )  # fmt: skip


def recorded(cell: PlannedCell, plugin: Callable[[Plugin], Any]) -> list[dict[str, Any]]:
    """The hops' options for the record; `plugin` makes those of a plug-in fit to be written down."""
    return [
        {
            "name": hop.name,
            "workers": hop.workers,
            "batch": {"size": hop.batch_size, "delay_s": hop.batch_delay_s},
            **{name: plugin(getattr(hop, name)) for name in ("stage", "transport", "codec")},
        }
        for hop in cell.hops
    ]


def promised(cell: PlannedCell) -> dict[str, Any]:
    """Fields of a cell's record: several ways promise together what the weakest of them does."""
    every = [way.capabilities() for way in cell.transports]
    return {
        "delivery": min((each.delivery for each in every), key=_DELIVERIES.index),
        "durability": min((each.durability for each in every), key=_DURABILITIES.index),
        "ordering": min((each.ordering for each in every), key=_ORDERINGS.index),
        "zero_copy": all(each.zero_copy for each in every),
        "level": " | ".join(dict.fromkeys(each.level for each in every if each.level)),
    }


def claims(cell: PlannedCell, legs: Sequence[Address]) -> dict[str, Mapping[str, str]]:
    """What the ends of the later hops will use, by what they are called in the record's `paths`."""
    found: dict[str, Mapping[str, str]] = {}
    for hop, leg in zip(cell.hops[1:], legs[1:], strict=True):
        before = cell.hops[hop.after]
        found |= {f"{hop.name}-{own}": leg.claim for own in range(hop.workers)}
        found |= {way_label(f"{before.name}-{own}", hop.name): leg.claim for own in range(before.workers)}
    return found
