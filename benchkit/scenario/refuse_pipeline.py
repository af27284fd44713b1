"""Pipelines that cannot be measured, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from benchkit.load.base import ClosedArrival
from benchkit.load.search import Backlog
from benchkit.scenario.cells import Cell
from benchkit.scenario.hops import Hop, Pipeline
from benchkit.scenario.model import Replies
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.transports.base import Transport


def refuse_pipeline(found: Sequence[Cell], problems: Problems) -> None:
    """Note what the hops of each cell cannot do."""
    for cell in found:
        hops = cast("Pipeline", cell.choices["pipeline"].value).pipeline
        if not hops:
            continue
        _one_way(cell, problems)
        by_name = {hop.name: hop for hop in hops}
        for hop in hops:
            _transport(cell, hop, by_name.get(hop.after), problems)


def _one_way(cell: Cell, problems: Problems) -> None:
    replies, load = cell.choices["replies"], cell.choices["load"]
    if cast("Replies", replies.value).replies:
        problems.add(
            replies.places.get("replies", replies.where),
            "a pipeline is one-way: latency runs until its last stage has finished",
            "replies: false, or leave `replies` out",
        )
    elif isinstance(load.value, ClosedArrival):
        problems.add(
            load.where,
            "a closed loop needs replies, and a pipeline gives none",
            "an open arrival such as constant or poisson",
        )
    if isinstance(load.value, Backlog):
        problems.add(
            load.where,
            "a pipeline's first stage alone could be held back",
            "a load with a rate, or find: capacity",
        )


def _transport(cell: Cell, hop: Hop, before: Hop | None, problems: Problems) -> None:
    transport = hop.transport or cast("Transport", cell.choices["transport"].value)
    promised, where = transport.capabilities(), _place(cell, hop, "transport")
    if promised.same_process:
        problems.add(
            where,
            f"pipeline: transport {transport.kind} lives within one process, and each stage is one of its own",
            "transport: shm, or another one between processes",
        )
    if promised.drops:
        problems.add(
            where,
            f"pipeline: transport {transport.kind} drops by itself, and who sends on would not hear of it",
            f"leave {promised.drops} out, or drop before the first stage: flow: latest-only",
        )
    if promised.external_stage:
        problems.add(
            where,
            f"pipeline: behind transport {transport.kind} with a url is a server, which hands nothing on",
            "a transport of ours, or one stage without a pipeline",
        )
    if before is not None and before.workers > 1 and not promised.many_producers:
        problems.add(
            where,
            f"pipeline: {before.workers} workers of {before.name} send to {hop.name}, and transport "
            f"{transport.kind} takes messages from one only",
            f"workers: 1 for {before.name}, or a transport with many producers for {hop.name}, such as redis-list",
        )
    if hop.batch_size > transport.depth:
        problems.add(
            _place(cell, hop, "batch"),
            f"pipeline: a batch of {hop.batch_size} can never fill: transport {transport.kind} holds "
            f"{transport.depth} messages",
            f"transport.depth: {hop.batch_size}, or batch.size: {transport.depth}",
        )


def _place(cell: Cell, hop: Hop, option: str) -> Where:
    choice = cell.choices["pipeline"]
    return choice.places.get(f"{hop.name}.{option}") or choice.places.get(f"{hop.name}.", choice.where)
