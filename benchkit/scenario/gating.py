"""The `gate:` section: how far a candidate may be from its base, and how long to look.

::

    gate:
      p50: 3%              # how much slower is still the same; null: not gated
      cells:               # a cell takes the last entry that matches it and names the metric
        - {transport: http, p50: 5%}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field

from benchkit.scenario import options, select
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import GATE_METRICS, GateOptions, GateRule, Margin, Section
from benchkit.scenario.nodes import Entry, Items, Map
from benchkit.scenario.problems import Problems, listed


class Deltas(Section):
    """The metrics of one entry of `gate.cells`."""

    p50: Margin | None = Field(None, description="how much slower the median may be")
    p99: Margin | None = Field(None, description="how much slower the 99th percentile may be")
    throughput: Margin | None = Field(None, description="how much lower it may be")


def rules(root: Map, problems: Problems) -> tuple[GateRule, ...]:
    """The entries of `gate.cells`."""
    section = root.entries["gate"].node if "gate" in root.entries else None
    if not isinstance(section, Map):
        return ()
    found = []
    for node in listed(section.entries.get("cells"), "gate.cells", problems):
        if not isinstance(node, Map):
            problems.add(
                node.where, "gate.cells: expected a mapping", "write for example - {transport: http, p50: 5%}"
            )
            continue
        metrics = {key: entry for key, entry in node.entries.items() if key in GATE_METRICS}
        which = {key: entry for key, entry in node.entries.items() if key not in GATE_METRICS}
        if not which:
            problems.add(
                node.where,
                "gate.cells: an entry without a cell would match all",
                "write its limits in gate itself",
            )
            continue
        deltas = options.validate(Deltas, metrics, options.Place("gate.cells", node.where), problems)
        terms = Entry(node.where, Items(node.where, (Map(node.where, which),)))
        matched = select.rules(terms, problems, "gate.cells")
        if deltas is not None and matched:
            found.append(GateRule(matched[0], deltas.model_dump(include=set(metrics))))
    return tuple(found)


def deltas(
    given: GateOptions, found: Iterable[GateRule], cells: Sequence[Cell]
) -> dict[str, dict[str, float | None]]:
    """By cell id and metric: what is still the same, as a share; None where it is not gated."""
    base = {name: getattr(given, name) for name in GATE_METRICS}
    made: dict[str, dict[str, float | None]] = {}
    for cell in cells:
        own = dict(base)
        for each in found:
            if select.matches(cell, each.rule):
                own |= each.deltas
        made[cell.id] = own
    return made


def plain(given: BaseModel, found: Iterable[GateRule]) -> dict[str, Any]:
    """The section for the record."""
    cells = [
        {**{key: [each.text for each in terms] for key, terms in rule.rule.terms.items()}, **rule.deltas}
        for rule in found
    ]
    return {**given.model_dump(exclude={"cells"}), **({"cells": cells} if cells else {})}
