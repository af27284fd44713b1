"""Tree -> Scenario: every section validated, every include laid over the base, all mistakes noted."""

from __future__ import annotations

import math
from typing import TypeVar

from benchkit.scenario import faulting, gating, options, pipeline, select
from benchkit.scenario.alerting import alerts
from benchkit.scenario.budgets import budgets
from benchkit.scenario.model import (
    AXES,
    KEYS,
    MAX_CELLS,
    Axis,
    BlockOptions,
    Checks,
    Choice,
    GateOptions,
    Group,
    Header,
    Scenario,
    Section,
    Slo,
    WhatIfOptions,
)
from benchkit.scenario.nodes import Entry, Leaf, Map, Where
from benchkit.scenario.problems import Problems, listed
from benchkit.scenario.sections import Pick, choices, count, overlay, picks

S = TypeVar("S", bound=Section)
Picked = dict[str, list[Pick]]


def build(root: Map, problems: Problems, *, overridden: bool) -> Scenario | None:
    """The scenario, of its sound parts; None when one that holds for the whole has mistakes."""
    for key, entry in root.entries.items():
        if key not in KEYS:
            problems.unknown(entry.where, "key", key, KEYS)
    header = options.validate(
        Header,
        {key: entry for key, entry in root.entries.items() if key in Header.model_fields},
        options.Place("", root.where),
        problems,
    )
    blocks = _whole(BlockOptions, "blocks", root, problems)
    checks = _whole(Checks, "checks", root, problems)
    slo = _whole(Slo, "slo", root, problems)
    what_if = _whole(WhatIfOptions, "what_if", root, problems) if "what_if" in root.entries else None
    gate = _whole(GateOptions, "gate", root, problems) if "gate" in root.entries else None
    going_wrong = faulting.faulting(root, problems)
    promised = budgets(root.entries.get("promises"), problems)
    groups = _groups(root, problems)
    rules = select.rules(root.entries.get("exclude"), problems)
    if header is None or blocks is None or checks is None or slo is None:
        return None
    return Scenario(
        root.where.folder, header, blocks, checks, slo, groups, rules, overridden,
        what_if if what_if and what_if.run else None,
        gate,
        gating.rules(root, problems),
        budgets=promised,
        faulting=going_wrong if going_wrong and going_wrong.options.run else None,
        alerts=alerts(root, problems),
    )  # fmt: skip


def _whole(model: type[S], name: str, root: Map, problems: Problems) -> S | None:
    entry = root.entries.get(name)
    if entry is None or (isinstance(entry.node, Leaf) and entry.node.value is None):
        return model()
    if not isinstance(entry.node, Map):
        fields = ", ".join(model.model_fields)
        problems.add(entry.node.where, f"{name}: expected a mapping", f"its keys: {fields}")
        return None
    return options.validate(model, entry.node.entries, options.Place(name, entry.node.where), problems)


def _groups(root: Map, problems: Problems) -> tuple[Group, ...]:
    base = _base(root, problems)
    written: list[tuple[Where, Picked]] = [(root.where, base)]
    includes = _includes(root.entries.get("include"), problems)
    written += [(node.where, _included(node, base, problems)) for node in includes]
    total = 0
    for where, picked in written:
        total += math.prod(count(found) for found in picked.values())
        if total > MAX_CELLS:
            problems.add(
                where,
                f"the scenario has {total} combinations or more, exclude not counted",
                f"at most {MAX_CELLS} are allowed: sweep less, or split the scenario",
            )
            return ()
    made: dict[tuple[str, int], tuple[Choice, ...]] = {}
    return tuple(_group(where, picked, made, problems) for where, picked in written)


def _group(
    where: Where, picked: Picked, made: dict[tuple[str, int], tuple[Choice, ...]], problems: Problems
) -> Group:
    """Choices of an axis that includes share with the base are validated once."""
    axes = {}
    for name, found in picked.items():
        key = name, id(found)
        if key not in made:
            read = pipeline.choices if name == "pipeline" else choices
            made[key] = read(AXES[name], found, problems)
        axes[name] = made[key]
    return Group(where, axes)


def _base(root: Map, problems: Problems) -> Picked:
    """Axes in document order, those that are not written at the end."""
    pipeline.beside(root.entries, problems)
    found: Picked = {}
    for name, entry in root.entries.items():
        if name in AXES:
            found[name] = picks(AXES[name], entry.node, problems)
    for name, axis in AXES.items():
        if name in found:
            continue
        if axis.model:
            found[name] = [_default(axis, root)]
        elif axis.default:
            found[name] = picks(axis, Leaf(root.where, axis.default), problems)
        else:
            known = ", ".join(axis.registry.entries()) if axis.registry else ""
            problems.add(root.where, f"the scenario needs `{name}`", f"known: {known}")
            found[name] = []
    return found


def _default(axis: Axis, root: Map) -> Pick:
    """What is not written: the model's defaults, but that a pipeline is one-way."""
    assert axis.model is not None  # noqa: S101  (asked for plain options only)
    one_way = axis.name == "replies" and pipeline.is_written(root.entries)
    entries = {"replies": Entry(root.where, Leaf(root.where, False))} if one_way else {}
    return Pick(root.where, None, entries, axis.model)


def _included(node: Map, base: Picked, problems: Problems) -> Picked:
    pipeline.beside(node.entries, problems)
    found = dict(base)
    if pipeline.is_written(node.entries):
        # The base's one stage is another group's; this one has several, and answers nobody.
        found |= {name: _alone(AXES[name], node, problems) for name in (*pipeline.BESIDE, "replies")}
    for key, entry in node.entries.items():
        if key in AXES:
            found[key] = overlay(base[key], picks(AXES[key], entry.node, problems))
        elif key in KEYS:
            problems.add(
                entry.where, f"`{key}` holds for the whole scenario", f"may be included: {', '.join(AXES)}"
            )
        else:
            problems.unknown(entry.where, "key", key, AXES)
    return found


def _alone(axis: Axis, node: Map, problems: Problems) -> list[Pick]:
    """An axis of which neither base nor include says anything."""
    if axis.default:
        return picks(axis, Leaf(node.where, axis.default), problems)
    return [_default(axis, node)]


def _includes(entry: Entry | None, problems: Problems) -> list[Map]:
    found = []
    for node in listed(entry, "include", problems):
        if isinstance(node, Map):
            found.append(node)
        else:
            problems.add(node.where, "include: expected a mapping", "write for example - {source: sensors}")
    return found
