"""`--set path.to.key=value`: a value from the command line takes its place in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from benchkit.errors import BenchkitError
from benchkit.hiding import HIDDEN, is_secret_name, notice
from benchkit.scenario import fieldtypes
from benchkit.scenario.model import AXES, KEYS, WHOLE, Axis
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where
from benchkit.scenario.problems import Problems
from benchkit.scenario.reader import parse
from benchkit.scenario.redact import redact, show

_NAMES: Final = ("kind", "arrival", "find")
"""The keys that name a plug-in."""


def apply(root: Map, sets: Sequence[str], problems: Problems) -> Map:
    """The tree with every override in place; names of plug-ins first, so that options find their owner."""
    parsed = [override for text in sets if (override := _parsed(text, problems)) is not None]
    for path, node in sorted(parsed, key=lambda override: not _names_plugin(override[0])):
        placed = _placed(root, path, node, 0, problems)
        if isinstance(placed, Map):
            root = placed
    return root


def is_public(text: str) -> bool:
    """Whether a `path.to.key=value` may be written down: its value is no secret."""
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    return bool(equals) and all(path) and _is_public(path) and redact(value) == value


def _names_plugin(path: tuple[str, ...]) -> bool:
    return path[-1] in AXES or path[-1] in _NAMES


def _parsed(text: str, problems: Problems) -> tuple[tuple[str, ...], Node] | None:
    notice(text)
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        problems.add(
            f"--set {redact(key)}", "expected path.to.key=value", "write for example --set blocks.rounds=5"
        )
        return None
    shown = redact(value) if _is_public(path) else HIDDEN
    where = Where(
        f"--set {redact(key.strip())}={shown if len(shown) <= 60 else shown[:57] + '...'}", Path.cwd(), True
    )
    before = len(problems)
    node = parse(value, lambda _mark: where, problems)
    if len(problems) > before:
        return None
    return path, node or Leaf(where, None)


def _is_public(path: tuple[str, ...]) -> bool:
    """The value may be shown: the path is a known one and no secret. Anything misspelt is hidden."""
    head = path[2:] if path[0] == "include" and len(path) > 2 else path
    if head[0] == "pipeline" and len(head) > 1:
        return _is_public_in_hop(head[2:] if head[1].isdecimal() else head[1:])
    if len(head) == 1:
        return head[0] in KEYS
    if head[0] == "faults":
        return True
    if head[0] in WHOLE:
        return head[1] in WHOLE[head[0]].model_fields
    axis = AXES.get(head[0])
    return bool(axis) and (head[1] in _NAMES or _is_public_option(AXES[head[0]], head[1]))


def _is_public_in_hop(path: tuple[str, ...]) -> bool:
    """Within an entry of a pipeline: its own plain options, and those sections that stand at the top as well."""
    if not path or path[0] in ("name", "after"):
        return len(path) == 1
    return path[0] in ("workers", "batch", "stage", "transport", "codec") and _is_public(path)


def _is_public_option(axis: Axis, name: str) -> bool:
    models: list[type[BaseModel]] = [axis.model] if axis.model else []
    for kind in axis.registry.entries() if axis.registry else ():
        try:
            models.append(axis.registry.load(kind))  # type: ignore[union-attr]  # the loop runs only with one
        except BenchkitError:
            continue
    fields = [model.model_fields[name] for model in models if name in model.model_fields]
    return bool(fields) and not is_secret_name(name) and not any(map(fieldtypes.is_secret, fields))


def _placed(node: Node, path: tuple[str, ...], value: Node, done: int, problems: Problems) -> Node:
    """`node` with `value` at the rest of the path; `done` steps are behind."""
    if done == len(path):
        return value
    step = path[done]
    if isinstance(node, Items):
        if not step.isdecimal():
            return replace(
                node, items=tuple(_placed(item, path, value, done, problems) for item in node.items)
            )
        if int(step[:6]) >= len(node.items):
            problems.add(
                value.where, f"there is no entry {step}", f"there are {len(node.items)}, counted from 0"
            )
            return node
        items = [
            _placed(item, path, value, done + 1, problems) if at == int(step) else item
            for at, item in enumerate(node.items)
        ]
        return replace(node, items=tuple(items))
    if isinstance(node, Leaf):
        opened = _opened(node, path[done - 1])
        if opened is None:
            problems.add(
                value.where,
                f"`{redact('.'.join(path[:done]))}` is a single value, {show(node.value)}",
                "it has no parts",
            )
            return node
        node = opened
    old = node.entries.get(step)
    if (
        step in _NAMES
        and old
        and isinstance(old.node, Leaf)
        and isinstance(value, Leaf)
        and old.node.value == value.value
    ):
        return node
    below = old.node if old else Map(value.where, {})
    placed = _placed(below, path, value, done + 1, problems)
    where = old.where if old and done + 1 < len(path) else value.where
    return replace(node, entries={**node.entries, step: Entry(where, placed)})


def _opened(node: Leaf, section: str) -> Map | None:
    """A section written as one value, as the mapping that it stands for."""
    axis = AXES.get(section)
    key = (axis.tag or axis.field) if axis else ""
    if node.value is None and not (axis and axis.default == "null"):
        return Map(node.where, {})
    if not axis or axis.field == axis.name:
        return None
    return Map(node.where, {key: Entry(node.where, node)})
