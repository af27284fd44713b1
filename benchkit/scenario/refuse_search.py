"""Searches that cannot find anything, refused before anything runs; each with the smallest change that would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from benchkit.load.search import Backlog, Capacity
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import BlockOptions, Choice
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.stages.synthetic import Synthetic
from benchkit.transports.base import Transport
from benchkit.units import show_us

LEAST_BLOCKS: Final = 10
"""A search that ends as early as any: doubled twice, bisected twice, two blocks each, and one more at each end."""


def refuse_search(found: Sequence[Cell], blocks: BlockOptions, problems: Problems) -> None:
    """Note what makes the search of any of the cells pointless."""
    seen: set[tuple[int, ...]] = set()
    for cell in found:
        load = cell.choices["load"].value
        key = tuple(id(cell.choices[axis]) for axis in ("load", "stage", "transport", "replies"))
        if key in seen:
            continue
        seen.add(key)
        if isinstance(load, Capacity):
            _unreachable(cell, load, problems)
            _no_start(cell, load, problems)
            _no_time(cell, load, blocks, problems)
        elif isinstance(load, Backlog):
            _too_deep(cell, load, problems)


def _unreachable(cell: Cell, load: Capacity, problems: Problems) -> None:
    """A constant service time above a limit breaks the promise at every rate."""
    stage = cell.choices["stage"].value
    if not isinstance(stage, Synthetic) or stage.distribution != "constant":
        return
    for name, limit_s in load.slo.given().items():
        if name != "loss" and limit_s <= stage.service:
            needed = show_us(stage.service * 1e6)
            problems.add(
                _place(cell.choices["load"], "slo"),
                f"no rate keeps {name} <= {show_us(limit_s * 1e6)}: the stage alone takes {needed} for each message",
                f"slo.{name} above {needed}, or a stage.service below {show_us(limit_s * 1e6)}",
            )


def _no_start(cell: Cell, load: Capacity, problems: Problems) -> None:
    if load.start is None and not _option(cell, "replies", "replies"):
        give = "give load.start, for example start: 10/s"
        problems.add(
            cell.choices["load"].where,
            "without replies no closed loop can tell where the search should begin",
            give if _option(cell, "pipeline", "pipeline") else f"replies: true, or {give}",
        )


def _no_time(cell: Cell, load: Capacity, blocks: BlockOptions, problems: Problems) -> None:
    block_s = load.block_s(blocks.duration)
    needed_s = LEAST_BLOCKS * (block_s * (1 + blocks.warmup / blocks.duration))
    if needed_s > load.longest:
        problems.add(
            _place(cell.choices["load"], "longest"),
            f"a search takes {LEAST_BLOCKS} blocks at least, which are {needed_s:.3g} s in all; "
            f"load.longest is {load.longest:g} s",
            f"load.longest: {needed_s:.0f}s{_shorter(load, block_s > blocks.duration)}",
        )


def _shorter(load: Capacity, stretched: bool) -> str:
    """What makes blocks shorter."""
    if not stretched:
        return ", or shorter blocks (blocks.duration)"
    return (
        f", or load.arrival: constant (random arrivals need blocks of {load.block_s(0):g} s for this limit)"
    )


def _too_deep(cell: Cell, load: Backlog, problems: Problems) -> None:
    transport = cell.choices["transport"]
    depth = cast("Transport", transport.value).depth
    if load.messages > depth:
        problems.add(
            _place(cell.choices["load"], "messages"),
            f"transport {transport.kind} holds {depth} messages: {load.messages} can never be waiting in it",
            f"transport.depth: {load.messages}, or load.messages: {depth}",
        )


def _option(cell: Cell, axis: str, name: str) -> Any:
    return getattr(cell.choices[axis].value, name)


def _place(choice: Choice, option: str) -> Where:
    return choice.places.get(option, choice.where)
