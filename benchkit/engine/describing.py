"""A cell's record before anything of it was measured: what was asked, what its transport promises."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchkit.engine import ready_chain
from benchkit.engine.linking import asked_link
from benchkit.faults import base as injected
from benchkit.faults.base import Fault
from benchkit.faults.combined import Combined
from benchkit.load import base as load
from benchkit.load.base import Arrival
from benchkit.load.search import Backlog, Capacity
from benchkit.plugins import Plugin, Registry
from benchkit.records.run import Cell, PluginUsed
from benchkit.records.run import Search as Sought
from benchkit.scenario.plan import PlannedCell
from benchkit.scenario.redact import recorded
from benchkit.sources import base as sources
from benchkit.stages import base as stages
from benchkit.tensors.codecs import base as codecs
from benchkit.transports import base as transports

_SEAMS: tuple[tuple[Registry[Any], type[Plugin]], ...] = (
    (transports.registry, transports.Transport), (codecs.registry, codecs.Codec), (sources.registry, sources.Source),
    (stages.registry, stages.Stage), (load.registry, load.Arrival), (injected.registry, injected.Fault),
)  # fmt: skip


def flow_of(cell: PlannedCell) -> dict[str, Any] | None:
    """What each producer is told of traffic control, its credits filled in; None where there is none."""
    if cell.flow is None:
        return None
    at_once = cell.workers * cell.batch_size // cell.producers
    return {**cell.flow.given(), "credits": cell.flow.most_in_flight(at_once, replies=cell.replies)}


def _recorded(plugin: Plugin) -> Any:
    """Its options for the record: no password, also where the plug-in took it as plain text, and no home folder."""
    return recorded({"kind": plugin.kind, **plugin.model_dump()}, Path.cwd())


def asked_of(load: Arrival) -> Sought | None:
    """What a search looks for, for the record; None for any other load."""
    if isinstance(load, Capacity):
        return Sought(
            "capacity", load.slo.given(), load.precision, load.arrival == "poisson", load.start or 0.0, load.max_rate
        )  # fmt: skip
    return Sought("backlog") if isinstance(load, Backlog) else None


def plugins_of(cells: Iterable[PlannedCell], faults: Iterable[Fault] = ()) -> tuple[PluginUsed, ...]:
    """Whose code these cells run, and these faults with the parts of combined ones, each once."""
    found: dict[PluginUsed, None] = {}
    for fault in faults:
        for each in (fault, *(fault.parts if isinstance(fault, Combined) else ())):
            found[_used(each)] = None
    for cell in cells:
        own = (cell.source, cell.codec, cell.transport, cell.stage, cell.load)
        hops = (each for hop in cell.hops for each in (hop.codec, hop.transport, hop.stage))
        for plugin in (*own, *hops):
            found[_used(plugin)] = None
    return tuple(sorted(found, key=lambda each: (each.seam, each.kind)))


def _used(plugin: Plugin) -> PluginUsed:
    registry = next(each for each, base in _SEAMS if isinstance(plugin, base))
    entry = registry.entries().get(plugin.kind)
    if entry is None:  # made by hand, as tests of plug-ins do
        return PluginUsed(
            registry.noun, plugin.kind, f"{type(plugin).__module__}:{type(plugin).__qualname__}", "?"
        )
    return PluginUsed(registry.noun, entry.kind, entry.target, entry.distribution, entry.version)


def describe(cell: PlannedCell) -> Cell:
    """The cell's record before anything of it was measured."""
    promises = cell.transport.capabilities()
    return Cell(
        id=cell.id,
        group=cell.group,
        transport=cell.transport.kind,
        codec=cell.codec.kind,
        stage=cell.stage.kind,
        source=cell.source.label(),
        load=cell.load.label(),
        parameters={
            **{
                name: _recorded(getattr(cell, name)) for name in ("source", "codec", "transport", "stage", "load")
            },
            "workers": cell.workers,
            "producers": cell.producers,
            "batch": {"size": cell.batch_size, "delay_s": cell.batch_delay_s},
            **({"link": recorded(cell.link.given(), Path.cwd())} if cell.link else {}),
            **({"flow": flow_of(cell)} if cell.flow else {}),
            **({"pipeline": ready_chain.recorded(cell, _recorded)} if cell.hops else {}),
        },
        workers=cell.workers,
        producers=cell.producers,
        replies=cell.replies,
        payload_bytes=0,
        wire_bytes=0,
        arrival=cell.load.kind,
        **ready_chain.promised(cell),
        lossy=cell.codec.lossy,
        has_broker=any(not way.brokerless for way in cell.transports),
        path="",
        external_stage=promises.external_stage,
        search=asked_of(cell.load),
        link=asked_link(cell.link, datagrams=promises.datagrams) if cell.link else None,
        hops=ready_chain.hops_of(cell),
    )  # fmt: skip
