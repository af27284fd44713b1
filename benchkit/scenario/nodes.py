"""A scenario's text as a tree in which every value knows where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Atom: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Where:
    """A place that people can find again."""

    text: str
    """`file:line:column` or `--set key=value`."""
    folder: Path
    """What relative paths written here are relative to."""
    override: bool = False
    """Written on the command line."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value."""

    where: Where
    value: Atom


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    where: Where
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping; keys are texts."""

    where: Where
    entries: Mapping[str, Entry]


Node: TypeAlias = Leaf | Items | Map


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a mapping and where its key was written."""

    where: Where
    node: Node


def plain(node: Node) -> Any:
    """The same as lists, dicts and single values."""
    match node:
        case Leaf(value=value):
            return value
        case Items(items=items):
            return [plain(item) for item in items]
        case Map(entries=entries):
            return {key: plain(entry.node) for key, entry in entries.items()}
