"""What several producers cannot do, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from benchkit.load.base import ClosedArrival
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import Producers
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.transports.base import Transport


def refuse_producers(found: Sequence[Cell], problems: Problems) -> None:
    """Note the cells whose transport has room for one producer only, or whose places are fewer than they."""
    for cell in found:
        producers = cast("Producers", cell.choices["producers"].value).producers
        if producers > 1:
            _transport(cell, producers, problems)
            _places(cell, producers, problems)


def _transport(cell: Cell, producers: int, problems: Problems) -> None:
    choice = cell.choices["transport"]
    if not cast("Transport", choice.value).capabilities().many_producers:
        problems.add(
            _written(cell),
            f"{producers} producers: transport {choice.kind} takes messages from one only",
            f"producers: 1, or exclude: [{{transport: {choice.kind}, producers: {producers}}}], "
            "or another transport",
        )


def _places(cell: Cell, producers: int, problems: Problems) -> None:
    """A closed loop's places are dealt out: a producer without any would send nothing."""
    load = cell.choices["load"].value
    if isinstance(load, ClosedArrival) and load.places < producers:
        problems.add(
            _written(cell),
            f"{producers} producers share {load.places} in flight ({load.label()}): some would never send",
            f"load.in_flight: {producers}, or producers: {load.places}",
        )


def _written(cell: Cell) -> Where:
    """Where this cell's number of producers stands."""
    choice = cell.choices["producers"]
    return choice.places.get("producers", choice.where)
