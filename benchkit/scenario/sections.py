"""One axis of a scenario: what was written -> picks (a plug-in's name and its options) -> choices.

An include's section is laid over the base's: with the same name, or none, options are added to it;
another name replaces it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from pydantic import BaseModel

from benchkit.errors import BenchkitError, MissingLibrary
from benchkit.scenario import options
from benchkit.scenario.model import Axis, Choice, tag_of
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where, plain
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import redact, show


@dataclass(frozen=True, slots=True)
class Pick:
    """One alternative of an axis, options not yet validated."""

    where: Where
    kind: str | None
    """The plug-in's name; None where an include only changes options, and for plain options."""
    entries: Mapping[str, Entry]
    model: type[BaseModel] | None
    """What validates the options; None where it is the base's."""
    renamed: bool = False
    """The name came from the command line, so options of the former one may be left over."""


def picks(axis: Axis, node: Node, problems: Problems) -> list[Pick]:
    """The alternatives that a section lists."""
    if axis.model is not None and axis.field == axis.name:
        return [Pick(node.where, None, {axis.field: Entry(node.where, node)}, axis.model)]
    nodes = _unfolded(axis, node, problems)
    return _given_where_known([pick for one in nodes for pick in _pick(axis, one, problems)])


def _unfolded(axis: Axis, node: Node, problems: Problems) -> list[Node]:
    """A list as its items, `{kind: [a, b]}` as one mapping for each kind."""
    if isinstance(node, Items):
        if not node.items:
            problems.add(node.where, f"{axis.name}: an empty list", "give at least one value")
        if any(isinstance(item, Items) for item in node.items):
            problems.add(node.where, f"{axis.name}: a list within a list", "write one list")
            return []
        return [one for item in node.items for one in _unfolded(axis, item, problems)]
    if isinstance(node, Map) and (tag := _tag(axis, node)) in node.entries:
        named = node.entries[tag]
        if isinstance(named.node, Items):
            if not named.node.items:
                problems.add(named.where, f"{axis.name}.{tag}: an empty list", "give at least one name")
            return [
                replace(node, entries={**node.entries, tag: Entry(named.where, kind)})
                for kind in named.node.items
            ]
    return [node]


def _pick(axis: Axis, node: Node, problems: Problems) -> list[Pick]:
    if axis.model is not None:
        if isinstance(node, Map):
            return [Pick(node.where, None, node.entries, axis.model)]
        return [Pick(node.where, None, {axis.field: Entry(node.where, node)}, axis.model)]
    if isinstance(node, Leaf):
        return _named(axis, node, node.where, {}, problems)
    if not isinstance(node, Map):
        problems.add(node.where, f"{axis.name}: a list within a list", "write one list")
        return []
    tag = _tag(axis, node)
    entries = {key: entry for key, entry in node.entries.items() if key != tag}
    if tag in node.entries:
        found = _named(axis, node.entries[tag].node, node.where, entries, problems)
        return [pick for pick in found if _named_by(axis, pick, tag, problems)]
    wrong = {"kind": "arrival", "arrival": "kind"}[axis.tag]
    if wrong in entries:
        problems.add(entries[wrong].where, f"{axis.name} is named by `{axis.tag}`, not `{wrong}`")
        return []
    return [Pick(node.where, None, entries, None)]


def _tag(axis: Axis, node: Map) -> str:
    """The key by which this mapping names its plug-in."""
    return axis.search_tag if axis.search_tag in node.entries else axis.tag


def _named_by(axis: Axis, pick: Pick, tag: str, problems: Problems) -> bool:
    """A search is named by `find`, an arrival by `arrival`; note where it is the other way round."""
    assert pick.model is not None  # noqa: S101  (it has a name, so it has a class)
    right = tag_of(axis, pick.model)
    if right != tag:
        what = "a search" if right == axis.search_tag else f"{_a(axis.noun)}, not a search"
        problems.add(pick.where, f"{axis.name}: {pick.kind} is {what}", f"write {right}: {pick.kind}")
    return right == tag


def _named(
    axis: Axis, node: Node, where: Where, entries: Mapping[str, Entry], problems: Problems
) -> list[Pick]:
    value = plain(node)
    # The stage that does nothing is called null, which YAML reads as no value.
    kind = "null" if value is None and axis.default == "null" else value
    assert axis.registry is not None  # noqa: S101  (only axes of plug-ins have names)
    if not isinstance(kind, str):
        known = ", ".join(axis.registry.entries())
        problems.add(
            node.where,
            f"{axis.name}: expected the name of {_a(axis.noun)}, found {show(value)}",
            f"known: {known}",
        )
        return []
    model = load(axis, kind, node.where, problems)
    if model is None:
        return []
    renamed = node.where.override and not where.override
    if renamed:
        entries = {
            key: entry
            for key, entry in entries.items()
            if entry.where.override
            or (key in model.model_fields and _means_the_same(axis, model, key, entry))
        }
    return [Pick(where, kind, entries, model, renamed=node.where.override)]


def _means_the_same(axis: Axis, model: type[BaseModel], key: str, entry: Entry) -> bool:
    """What named the plug-in before `find` took its place is an option now, where it can be one."""
    return key != axis.tag or options.fits(model, key, entry.node)


def load(axis: Axis, kind: str, where: Where, problems: Problems) -> type[BaseModel] | None:
    """The class of a plug-in whose libraries are installed; nothing of them is imported."""
    assert axis.registry is not None  # noqa: S101  (only axes of plug-ins have names)
    if kind not in axis.registry.entries():
        problems.unknown(where, axis.noun, kind, axis.registry.entries())
        return None
    try:
        cls = axis.registry.load(kind)
        for module in cls.requires:
            if find_spec(module.partition(".")[0]) is None:
                raise MissingLibrary(
                    f"the {axis.noun} {kind!r} needs {module}", remedy=cls.install or f"pip install {module}"
                )
    except BenchkitError as error:
        problems.add(where, redact(error.what), redact(error.remedy))
        return None
    loaded: type[BaseModel] = cls
    return loaded


def _given_where_known(found: list[Pick]) -> list[Pick]:
    """An option from the command line goes to the alternatives that know it, if any does."""
    known = {key for pick in found if pick.model for key in pick.model.model_fields}
    return [
        replace(
            pick,
            entries={
                key: entry
                for key, entry in pick.entries.items()
                if not (entry.where.override and key in known and key not in pick.model.model_fields)
            },
        )
        if pick.model
        else pick
        for pick in found
    ]


def overlay(base: Sequence[Pick], over: Sequence[Pick]) -> list[Pick]:
    """The picks of an include laid over those of the base."""
    found: list[Pick] = []
    for pick in over:
        under = [one for one in base if pick.kind in (None, one.kind)]
        found += [_laid(pick, one) for one in under] if under else [pick]
    return found


def _laid(over: Pick, under: Pick) -> Pick:
    fields = under.model.model_fields if under.model else {}
    kept = {
        key: entry
        for key, entry in over.entries.items()
        if not under.renamed or entry.where.override or key in fields
    }
    return replace(under, where=over.where, entries={**under.entries, **kept})


def count(found: Sequence[Pick]) -> int:
    """How many choices the picks will make, without making them."""
    return sum(
        math.prod(map(len, options.sweep(pick.model, pick.entries).values())) for pick in found if pick.model
    )


def choices(axis: Axis, found: Sequence[Pick], problems: Problems) -> tuple[Choice, ...]:
    """Every combination of every pick, validated; equal ones once."""
    made: dict[str, Choice] = {}
    for pick in found:
        if pick.model is None:
            problems.add(pick.where, f"{axis.name} needs `{axis.tag}`", _known(axis))
            continue
        title = f"{axis.noun} {pick.kind}" if pick.kind else axis.name
        if axis.field == axis.name:
            title = ""
        for value, places in options.expand(
            pick.model, pick.entries, options.Place(title, pick.where), problems
        ):
            key = options.identity(pick.kind or "", value)
            made.setdefault(key, Choice(axis, pick.kind or "", value, pick.where, places, key))
    return tuple(made.values())


def _known(axis: Axis) -> str:
    return f"known: {', '.join(axis.registry.entries())}" if axis.registry else ""


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
