"""What-if questions that cannot be answered, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from benchkit.load.search import Search
from benchkit.scenario import sections
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import AXES, Replies, WhatIfOptions
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.transports.base import Transport

_SERVERS: Final = ("transit", "decode", "compute", "reply")
"""Phases that a stage worker does."""


def refuse_what_if(
    found: Sequence[Cell], asked: WhatIfOptions, places: Mapping[str, Where], problems: Problems
) -> None:
    """Note what none of the cells can answer; `places` is where the options are written, the section under ''."""

    def place(option: str) -> Where:
        return places.get(option, places[""])

    for axis in ("transport", "codec"):
        for kind in getattr(asked, axis) or ():
            sections.load(AXES[axis], kind, place(axis), problems)
    given = [cell for cell in found if not isinstance(cell.choices["load"].value, Search)]
    if found and not given:
        problems.add(
            places[""], "what_if: every cell searches for its rate, and a trial needs one that is given",
            "a load with a rate or a closed loop, for example load: {arrival: constant, rate: 20/s}",
        )  # fmt: skip
        return
    if given and not any(cast("Replies", cell.choices["replies"].value).replies for cell in given):
        problems.add(
            places[""],
            "what_if: without replies nothing tells how many messages are under way, so no cell can be saturated",
            "what_if.run: false: a pipeline gives no replies"
            if all(_option(cell, "pipeline", "pipeline") for cell in given)
            else "replies: true",
        )
        return
    _phases(given, asked, place("phases"), problems)


def _option(cell: Cell, axis: str, name: str) -> object:
    return getattr(cell.choices[axis].value, name)


def _phases(given: Sequence[Cell], asked: WhatIfOptions, where: Where, problems: Problems) -> None:
    """Phases that no cell has: those of a stage that is somebody else's server."""
    phases = set(asked.phases or ())
    external = [
        cell
        for cell in given
        if cast("Transport", cell.choices["transport"].value).capabilities().external_stage
    ]
    if given and len(external) == len(given) and (foreign := sorted(phases & set(_SERVERS))):
        kind = external[0].choices["transport"].kind
        problems.add(
            where, f"what_if: {', '.join(foreign)} cannot be slowed: with {kind} the stage is a server of its own",
            "phases: [encode, send, return]",
        )  # fmt: skip
