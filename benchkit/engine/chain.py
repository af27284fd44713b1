"""A pipeline's hops as parties: who serves which, what each of them is told, and in which order they begin and end.

Workers stand hop after hop, each hop after the one that feeds it. They open from the last to the first, so that
whoever sends finds its receiver, and are emptied from the first to the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchkit.engine.fan_in import address_of
from benchkit.engine.task import Task
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.transports.base import Address

if TYPE_CHECKING:
    from benchkit.scenario.plan import PlannedCell, PlannedHop  # parties come here, and know no plan

_SEEDS = 1 << 16
"""Between the seeds of two hops' stages: more than one hop has workers."""


def roles(hops: Sequence[PlannedHop]) -> list[str]:
    """What the processes of a pipeline are called, hop after hop: `decode-0`, `detect-0`, `detect-1`, ..."""
    return [f"{hop.name}-{number}" for hop in hops for number in range(hop.workers)]


def stage_roles(cell: PlannedCell) -> list[str]:
    """What the processes of a cell's stage or stages are called."""
    return roles(cell.hops) or [f"stage-{number}" for number in range(cell.workers)]


def entries(hops: Sequence[PlannedHop], addresses: Sequence[Address]) -> list[dict[str, Any]]:
    """`Task.chain`: the hops as plain data, with where each one's transport is."""
    return [
        {
            "name": hop.name,
            "after": hop.after,
            "workers": hop.workers,
            "batch_size": hop.batch_size,
            "batch_delay_s": hop.batch_delay_s,
            "stage": hop.stage.config(),
            "transport": hop.transport.config(),
            "codec": hop.codec.config(),
            "where": dict(address.where),
        }
        for hop, address in zip(hops, addresses, strict=True)
    ]


def labels(task: Task, workers: int) -> list[str]:
    """What the workers are called in records: `stage-0`, ...; of a pipeline `detect-0`, ..."""
    return [f"{hop['name']}-{own}" for hop in task.chain for own in range(hop["workers"])] or [
        f"stage-{number}" for number in range(workers)
    ]


def levels(task: Task, workers: int) -> list[range]:
    """The workers of each hop, by their place among all."""
    if not task.chain:
        return [range(workers)]
    found, first = [], 0
    for hop in task.chain:
        found.append(range(first, first + hop["workers"]))
        first += hop["workers"]
    return found


def afters(task: Task) -> tuple[int, ...]:
    """Of each hop the number of the one that feeds it, -1: the producer."""
    return tuple(hop["after"] for hop in task.chain) or (-1,)


def of_hop(task: Task, number: int) -> Task:
    """What the workers of a hop are told."""
    if not task.chain:
        return task.of_side("stage")
    hop = task.chain[number]
    own = task.of_side("stage") if number == 0 else replace(task, where=hop["where"], led={}, link_ports=())
    return replace(
        own,
        chain=(),
        hop=number,
        onward=[_way(each, hop["workers"]) for each in task.chain if each["after"] == number],
        stage=hop["stage"],
        transport=hop["transport"],
        codec=hop["codec"],
        batch_size=hop["batch_size"],
        batch_delay_s=hop["batch_delay_s"],
        # Stages of equal options would draw equal service times, hop after hop.
        stage_seed=seed_for(task.stage_seed, Stream.STAGE, number * _SEEDS) if number else task.stage_seed,
        # Every byte is checked on the first hop: between stamps there is no time to sum them up again.
        checksum_every=0 if number else task.checksum_every,
    )


def _way(hop: Mapping[str, Any], senders: int) -> dict[str, Any]:
    kept = {name: hop[name] for name in ("name", "transport", "codec", "where")}
    return {**kept, "senders": senders}


def way_address(way: Mapping[str, Any], worker: int) -> Address:
    """Where a worker sends what goes this way; where it has colleagues, the address says which one it is."""
    return address_of(Address(way["where"]), worker, way["senders"])
