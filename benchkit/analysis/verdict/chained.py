"""The verdict of a pipeline: the same rules, with the stage that decides in the stage's place.

Where the largest phase of the whole latency is work (decode, compute, ...), it is the hop with most of it. Where it
is waiting (lateness, send, queue), messages wait for the stage that saturates first: whatever stands before a slow
stage fills up, and the wait shows wherever there is room. So the hop is then the one of the highest utilisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchkit.analysis.hop_figures import HopFigures, leaving, utilisation
from benchkit.analysis.measure import Measure
from benchkit.analysis.resources import Resource
from benchkit.analysis.validity.facts import percent
from benchkit.analysis.verdict import Verdict, verdict
from benchkit.analysis.verdict.arrivals import Unevenness
from benchkit.analysis.verdict.facts import gather
from benchkit.records.run import Block, Cell, Floor
from benchkit.records.samples import PHASES
from benchkit.records.seen import Usage
from benchkit.units import show_us
from benchkit.words import named, say

WAITS: Final = frozenset({"lateness", "send", "queue"})
"""Phases in which a message waits for a stage, its own or a later one."""
_FEEDING: Final = frozenset({"encode", "send"})
"""Phases of a hop that the worker before it does."""
_NEAR: Final = 0.9
"""A stage that is nearly as busy as the busiest: which of them is the bottleneck is half a guess."""


@dataclass(frozen=True, slots=True)
class Chained:
    """What is known of a pipeline's cell."""

    cell: Cell
    blocks: Sequence[Block]
    measure: Measure
    """Of whole messages."""
    uneven: Unevenness
    floor: Floor | None
    hops: Sequence[HopFigures]
    resources: Sequence[Resource]


def chained(known: Chained) -> Verdict:
    """The verdict of a valid cell; `stage` says which of its stages it is about."""
    means = {name: known.measure.phases[name].mean_ns for name in PHASES}
    first = max(PHASES, key=lambda name: means[name])
    busy = {each.number: utilisation(each, known.resources) or 0.0 for each in known.hops}
    deciding = _deciding(known.hops, first, busy)
    cell, blocks, measure = _view(known, deciding, feeding=first in _FEEDING and first not in WAITS)
    facts = gather(cell, blocks, measure, known.uneven, known.floor)
    before = known.hops[deciding.after].hop.name if deciding.after >= 0 else ""
    own = replace(facts, stage=deciding.hop.name, fed_by=before)
    own = replace(own, busy=replace(facts.busy, stage=min(1.0, busy[deciding.number])))
    found = verdict(own)
    evidence = [*found.evidence, _where(known.hops, first), _how_busy(known.hops, busy)]
    others = [share for number, share in busy.items() if number != deciding.number]
    unsure = first in WAITS and bool(others) and max(others) > _NEAR * busy[deciding.number]
    return replace(found, evidence=evidence, confidence=found.confidence * (0.5 if unsure else 1.0))


def _deciding(hops: Sequence[HopFigures], first: str, busy: Mapping[int, float]) -> HopFigures:
    if first in WAITS and any(busy.values()):
        return max(hops, key=lambda each: busy[each.number])
    return max(hops, key=lambda each: each.measure.phases[first].mean_ns)


def _where(hops: Sequence[HopFigures], phase: str) -> str:
    """The phase, hop by hop."""
    parts = ", ".join(f"{each.hop.name} {show_us(each.measure.phases[phase].mean_ns / 1e3)}" for each in hops)
    return say("{phase} by stage: {parts}", phase=named(phase), parts=parts)


def _how_busy(hops: Sequence[HopFigures], busy: Mapping[int, float]) -> str:
    parts = ", ".join(f"{each.hop.name} {percent(busy[each.number])}" for each in hops)
    return say("working: {parts} of the time", parts=parts)


def _view(known: Chained, deciding: HopFigures, *, feeding: bool) -> tuple[Cell, list[Block], Measure]:
    """The cell as if the deciding stage were its only one; `feeding`: and the stage before it its producer."""
    hop = deciding.hop
    batch = {**known.cell.parameters, "batch": {"size": hop.batch_size}}
    cell = replace(
        known.cell, workers=hop.workers, wire_bytes=hop.wire_bytes or known.cell.wire_bytes, parameters=batch,
        has_broker=hop.has_broker, hops=(), floor=known.cell.floor if hop.transport == known.cell.transport else "",
    )  # fmt: skip
    stands = {hop.name: "stage"}
    if feeding and deciding.after >= 0:
        stands[known.hops[deciding.after].hop.name] = "producer"
        cell = replace(cell, producers=known.hops[deciding.after].hop.workers)
    counts = {each.index: each.count for each in known.measure.blocks}
    blocks = [_block(block, stands, counts.get(block.index, 0)) for block in known.blocks]
    worked_ns = round(deciding.work_ns * known.measure.latency.count)
    sends = deciding if feeding else known.hops[0]
    return cell, blocks, replace(known.measure, stage_busy_ns=worked_ns, leaving=leaving(sends))


def _block(block: Block, stands: Mapping[str, str], count: int) -> Block:
    """Its parties under the names that they stand for; `count` messages of it were measured."""
    kept = ("broker",) if "producer" in stands.values() else ("producer", "broker")
    parties = {}
    for party, used in block.parties.items():
        role, _, number = party.partition("-")
        if role in kept:
            parties[party] = used
        elif role in stands:
            parties[f"{stands[role]}-{number}"] = used
    usage = {role: used for role, used in block.usage.items() if role in kept}
    for role in stands.values():
        own = [used for party, used in parties.items() if party.partition("-")[0] == role]
        if (together := _together(own, count)) is not None:
            usage[role] = together
    return replace(block, parties=parties, usage=usage)


def _together(own: Sequence[Usage], count: int) -> Usage | None:
    """What these used for `count` messages."""
    messages = sum(each.messages or 0 for each in own)
    if not messages:
        return None

    share = count / messages
    return Usage(
        cpu_ns=round(share * sum(each.cpu_ns for each in own)),
        peak_rss_bytes=sum(each.peak_rss_bytes for each in own),
        integrity_ns=round(share * sum(each.integrity_ns for each in own)),
        pacing_cpu_ns=round(share * sum(each.pacing_cpu_ns for each in own)),
        spin_ns=round(share * sum(each.spin_ns for each in own)),
    )
