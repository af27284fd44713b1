"""Groups of axes -> cells: the products, equal ones once, each with its name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import Any

from pydantic import SecretBytes, SecretStr

from benchkit.load.base import Arrival
from benchkit.scenario.model import AXES, Choice, Group
from benchkit.scenario.redact import redact
from benchkit.sources.base import Source

_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")
_LONGEST = 48
_PATH = ("transport", "codec")
_GROUP = tuple(name for name in AXES if name not in _PATH)


@dataclass(slots=True)
class Cell:
    """One combination of choices on its way to a PlannedCell."""

    choices: dict[str, Choice]
    labels: dict[str, str]
    """What `source` and `load` are called."""
    id: str = ""
    group: str = ""


def cells(groups: Iterable[Group]) -> list[Cell]:
    """Every combination of every group, in document order (the last axis varies fastest), named."""
    found: dict[tuple[str, ...], Cell] = {}
    for group in groups:
        for combination in product(*group.axes.values()):
            chosen = dict(zip(group.axes, combination, strict=True))
            key = tuple(chosen[name].identity for name in AXES)
            if key not in found:
                found[key] = Cell(chosen, _labels(chosen))
    named = list(found.values())
    _name(named)
    return named


def _labels(chosen: dict[str, Choice]) -> dict[str, str]:
    source, load = chosen["source"].value, chosen["load"].value
    assert isinstance(source, Source) and isinstance(load, Arrival)  # noqa: S101, PT018  (their registries' types)
    return {"source": source.label(), "load": load.label()}


def _name(found: Sequence[Cell]) -> None:
    """Group and id of each cell: labels, then `key=value` for what else differs among cells of these labels.

    They are given before anything is excluded, so a filter changes no name.
    """
    for alike in _by(found, lambda cell: (safe(cell.labels["source"]), safe(cell.labels["load"]))):
        _tell_apart(
            alike, _GROUP, lambda cell: f"{safe(cell.labels['source'])}/{safe(cell.labels['load'])}", "group"
        )
    for alike in _by(
        found, lambda cell: (cell.group, cell.choices["transport"].kind, cell.choices["codec"].kind)
    ):
        first = "/".join(safe(alike[0].choices[name].kind) for name in _PATH)
        _tell_apart(alike, _PATH, lambda cell, first=first: f"{first}/{cell.group}", "id")  # type: ignore[misc]  # bound


def _by(found: Iterable[Cell], key: Any) -> Iterator[list[Cell]]:
    grouped: dict[Any, list[Cell]] = defaultdict(list)
    for cell in found:
        grouped[key(cell)].append(cell)
    yield from grouped.values()


def _tell_apart(alike: list[Cell], axes: tuple[str, ...], start: Any, attribute: str) -> None:
    """Set `group` or `id`; where the differing values read the same, `n=1`, `n=2` tell them apart."""
    keys = _differing(alike, axes)
    readable: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
    names = []
    for cell in alike:
        name = start(cell) + "".join(f"/{key}={value}" for key, value in _values(cell, keys))
        names.append((cell, name, tuple(cell.choices[axis].identity for axis in axes)))
        readable[name].setdefault(names[-1][2])
    for cell, name, identity in names:
        same = list(readable[name])
        setattr(cell, attribute, name if len(same) == 1 else f"{name}/n={same.index(identity) + 1}")


def _differing(alike: Sequence[Cell], axes: Iterable[str]) -> list[tuple[str, str]]:
    """(axis, option) with more than one value, ("stage", "") where the plug-in itself differs."""
    keys = []
    for axis in axes:
        chosen = {cell.choices[axis].identity: cell.choices[axis] for cell in alike}
        if len(chosen) == 1:
            continue
        kinds: dict[str, list[Choice]] = defaultdict(list)
        for choice in chosen.values():
            kinds[choice.kind].append(choice)
        if len(kinds) > 1:
            keys.append((axis, ""))
        varied = {
            option: None
            for choices in kinds.values()
            for option in type(choices[0].value).model_fields
            if len({_text(getattr(choice.value, option), clear=True) for choice in choices}) > 1
        }
        keys += [(axis, option) for option in varied]
    return keys


def _values(cell: Cell, keys: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for axis, option in keys:
        choice = cell.choices[axis]
        if not option:
            found[axis] = safe(choice.kind)
        elif option in type(choice.value).model_fields:
            key = axis if option == AXES[axis].field else f"{axis}-{option}" if axis == "batch" else option
            key = f"{axis}.{option}" if key in found else key
            found[safe(key)] = safe(_text(getattr(choice.value, option), clear=False))
    return found


def _text(value: Any, *, clear: bool) -> str:
    match value:
        case SecretStr() | SecretBytes():
            return str(value.get_secret_value()) if clear else "hidden"
        case PurePath():
            return str(value) if clear else value.stem
        case bool():
            return "true" if value else "false"
        case float():
            return format(value, ".6g") if not clear else repr(value)
        case tuple() | list():
            return "x".join(_text(item, clear=clear) for item in value)
        case _:
            return str(value) if clear else redact(str(value))


def safe(text: str) -> str:
    """`text` as one component of a path: letters, digits and ._=+- only, no leading dot, at most 48."""
    return _UNSAFE.sub("-", text).strip("-").lstrip(".")[:_LONGEST] or "x"
