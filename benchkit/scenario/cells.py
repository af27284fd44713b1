"""Groups of axes -> cells: the products, equal ones once, each with its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import Any

from pydantic import SecretBytes, SecretStr

from benchkit.flow.options import FlowOptions
from benchkit.hiding import is_secret_name
from benchkit.link.options import LinkOptions, Numbers
from benchkit.link.profiles import NONE
from benchkit.load.base import Arrival
from benchkit.scenario.hops import Hop, shown
from benchkit.scenario.model import AXES, Choice, Group
from benchkit.scenario.redact import redact
from benchkit.sources.base import Source

_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")
_LONGEST = 48
_PATH = ("transport", "codec")
_ROW = (*_PATH, "flow")
"""What cells of one group may differ in: how the messages are moved, and what is done when there is no room."""
_GROUP = tuple(name for name in AXES if name not in _ROW)


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
    assert isinstance(source, Source) and isinstance(load, Arrival)  # noqa: S101  (their registries' types)
    return {"source": source.label(), "load": load.label()}


def _name(found: Sequence[Cell]) -> None:
    """Group and id of each cell: labels, then `key=value` for what else differs among cells of these labels.

    They are given before anything is excluded, so a filter changes no name.
    """
    for labels, alike in _by(found, lambda cell: (safe(cell.labels["source"]), safe(cell.labels["load"]))):
        for cell, name in zip(alike, _told_apart(alike, _GROUP), strict=True):
            cell.group = "/".join(labels) + name
    for start, alike in _by(
        found, lambda cell: (*(safe(cell.choices[axis].kind) for axis in _PATH), cell.group)
    ):
        for cell, name in zip(alike, _told_apart(alike, _ROW), strict=True):
            cell.id = "/".join(start) + name


def _by(
    found: Iterable[Cell], key: Callable[[Cell], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Cell]]]:
    grouped: dict[tuple[str, ...], list[Cell]] = {}
    for cell in found:
        grouped.setdefault(key(cell), []).append(cell)
    return list(grouped.items())


def _told_apart(alike: Sequence[Cell], axes: tuple[str, ...]) -> list[str]:
    """`/workers=1` for each cell; where differing values read the same, `variant` numbers them."""
    keys = _differing(alike, axes)
    names = ["".join(f"/{key}={value}" for key, value in _values(cell, keys).items()) for cell in alike]
    meant = [tuple(cell.choices[axis].identity for axis in axes) for cell in alike]
    variants: dict[str, dict[tuple[str, ...], int]] = {}
    for name, identity in zip(names, meant, strict=True):
        known = variants.setdefault(name, {})
        known.setdefault(identity, len(known) + 1)
    return [
        f"{name}/variant={variants[name][identity]}" if len(variants[name]) > 1 else name
        for name, identity in zip(names, meant, strict=True)
    ]


def _differing(alike: Sequence[Cell], axes: Iterable[str]) -> list[tuple[str, str]]:
    """(axis, option) with more than one value, ("stage", "") where the plug-in itself differs."""
    keys = []
    for axis in axes:
        chosen = {cell.choices[axis].identity: cell.choices[axis] for cell in alike}
        if len(chosen) == 1:
            continue
        kinds: dict[str, list[Choice]] = {}
        for choice in chosen.values():
            kinds.setdefault(choice.kind, []).append(choice)
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
        elif option in type(choice.value).model_fields and not _unsaid(choice, option):
            key = (
                axis
                if option == AXES[axis].field
                else f"{axis}-{option}"
                if axis in ("batch", "link", "flow")
                else option
            )
            key = f"{axis}.{option}" if key in found else key
            value = "hidden" if is_secret_name(option) else _text(getattr(choice.value, option), clear=False)
            found[safe(key)] = safe(value)
    return found


def _unsaid(choice: Choice, option: str) -> bool:
    """Options that say nothing: of a link a name of numbers alone, or numbers that are the name's."""
    value = choice.value
    if isinstance(value, FlowOptions):
        if option == "late":
            return value.late == "count" or value.deadline is None
        return getattr(value, option) in (None, False, "wait")
    if not isinstance(value, LinkOptions):
        return False
    said = getattr(value, option)
    return said is None or said == Numbers() or (option == "profile" and not value.absent and said == NONE)


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
        case (Hop(), *_):
            return shown(value)
        case tuple() | list():
            return "x".join(_text(item, clear=clear) for item in value)
        case _:
            return str(value) if clear else redact(str(value))


def safe(text: str) -> str:
    """`text` as one component of a path: letters, digits and ._=+- only, no leading dot, at most 48."""
    return _UNSAFE.sub("-", text).strip("-").lstrip(".")[:_LONGEST] or "x"
