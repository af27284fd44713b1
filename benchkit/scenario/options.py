"""Options of one section -> validated models, one for each combination of what it sweeps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from benchkit.hiding import HIDDEN, is_secret_name, notice_option
from benchkit.scenario import fieldtypes, words
from benchkit.scenario.model import MAX_CELLS
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where, plain
from benchkit.scenario.problems import Problems, nearest
from benchkit.scenario.redact import redact, show

M = TypeVar("M", bound=BaseModel)


class Place(NamedTuple):
    """What a group of options is called in messages, and where it stands."""

    title: str
    """`transport http`; empty at the top of a scenario."""
    where: Where

    def option(self, name: str) -> str:
        """`transport http: depth`."""
        return f"{self.title}: {name}" if self.title else name


def sweep(model: type[BaseModel], entries: Mapping[str, Entry]) -> dict[str, tuple[Node, ...]]:
    """The values of each option: several where its list is a sweep, none for an empty list."""
    return {name: _values(model, name, entry.node) for name, entry in entries.items()}


def _values(model: type[BaseModel], name: str, node: Node) -> tuple[Node, ...]:
    field = model.model_fields.get(name)
    if not isinstance(node, Items) or field is None:
        return (node,)
    if fieldtypes.takes_list(field) and (
        fits(model, name, node) or not (node.items and all(fits(model, name, item) for item in node.items))
    ):
        return (node,)
    return node.items


def fits(model: type[BaseModel], name: str, node: Node) -> bool:
    """The option `name` would take this value."""
    try:
        fieldtypes.adapter(model, name).validate_python(plain(node))
    except Exception:  # noqa: BLE001  (a validator may raise anything; its error is reported when it is used)
        return False
    return True


def expand(
    model: type[M], entries: Mapping[str, Entry], place: Place, problems: Problems
) -> list[tuple[M, dict[str, Where]]]:
    """Every combination as a model, with where its options were written; mistakes go to `problems`."""
    values = sweep(model, entries)
    for name, nodes in values.items():
        if not nodes:
            problems.add(
                entries[name].node.where, f"{place.option(name)}: an empty list", "give at least one value"
            )
    if (count := math.prod(map(len, values.values()))) > MAX_CELLS:
        problems.add(
            place.where, f"{place.title} sweeps {count} combinations", f"at most {MAX_CELLS} are allowed"
        )
        return []
    found = []
    for nodes in product(*values.values()):
        chosen = {name: Entry(entries[name].where, node) for name, node in zip(values, nodes, strict=True)}
        made = validate(model, chosen, place, problems)
        if made is not None:
            found.append((made, {name: entry.node.where for name, entry in chosen.items()}))
    return found


def validate(model: type[M], entries: Mapping[str, Entry], place: Place, problems: Problems) -> M | None:
    """One model of options that sweep nothing; None when there were mistakes."""
    data: dict[str, Any] = {}
    sound = True
    for name, entry in entries.items():
        field = model.model_fields.get(name)
        data[name] = plain(entry.node)
        for text in _texts(entry.node):
            notice_option(name, str(text), secret=bool(field and fieldtypes.is_secret(field)))
        if field is None:
            continue
        if fieldtypes.is_path(field):
            data[name] = _absolute(data[name], entry.node, place.option(name), problems)
        if isinstance(data[name], bool) and (wanted := fieldtypes.refuses_bool(field)):
            problems.add(
                entry.node.where, f"{place.option(name)}: expected {wanted}, found {show(data[name])}"
            )
            sound = False
    try:
        made = model.model_validate(data)
    except ValidationError as error:
        _explain(error, model, entries, place, problems)
    except Exception as error:  # noqa: BLE001  (third parties' validators may raise anything; it is shown in place)
        what = _without_secrets(f"{type(error).__name__}: {error}", model, entries)
        problems.add(place.where, f"{place.title} cannot be used: {what}")
    else:
        return made if sound else None
    return None


def _absolute(value: Any, node: Node, title: str, problems: Problems) -> Any:
    if isinstance(value, list):
        return [_absolute(item, node, title, problems) for item in value]
    if not isinstance(value, str):
        return value
    try:
        path = node.where.folder / Path(value).expanduser()
        resolved = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
        return str(resolved)
    except (OSError, RuntimeError, ValueError):
        problems.add(node.where, f"{title}: not a path: {show(value)}")
        return "invalid"


class _Spot(NamedTuple):
    where: Where
    name: str
    node: Node | None
    secret: bool


def _spot(
    loc: tuple[int | str, ...], model: type[BaseModel], entries: Mapping[str, Entry], place: Place
) -> _Spot:
    """The innermost value that pydantic's location names; tags of unions in it are passed over."""
    name = str(loc[0]) if loc else ""
    entry = entries.get(name)
    if entry is None:
        return _Spot(place.where, name, None, secret=False)
    field = model.model_fields.get(name)
    node, where = entry.node, entry.node.where if field else entry.where
    for step in loc[1:]:
        if isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        elif isinstance(node, Map) and isinstance(step, str) and step in node.entries:
            node, name = node.entries[step].node, f"{name}.{step}"
        else:
            continue
        where = node.where
    return _Spot(
        where, name, node, secret=bool(field and fieldtypes.is_secret(field)) or is_secret_name(name)
    )


def _explain(
    error: ValidationError,
    model: type[BaseModel],
    entries: Mapping[str, Entry],
    place: Place,
    problems: Problems,
) -> None:
    """One problem for each wrong value: what the members of a union expect is joined by `or`."""
    spots: dict[tuple[Where, str], tuple[_Spot, list[ErrorDetails]]] = {}
    for detail in error.errors(include_url=False):
        spot = _spot(detail["loc"], model, entries, place)
        spots.setdefault((spot.where, spot.name), (spot, []))[1].append(detail)
    for spot, details in spots.values():
        kinds = {detail["type"] for detail in details}
        if kinds == {"extra_forbidden"}:
            known = nearest(spot.name.rpartition(".")[2], _fields_around(model, spot.name))
            of = f" of {place.title}" if place.title else ""
            problems.add(spot.where, f"unknown option {show(spot.name)}{of}", known)
        elif kinds == {"missing"}:
            problems.add(
                spot.where, f"{place.title or 'the scenario'} needs `{spot.name}`", _example(model, spot.name)
            )
        else:
            _explain_value(spot, details, model, entries, place, problems)


def _fields_around(model: type[BaseModel], name: str) -> Iterable[str]:
    """The options among which `name` stands: `slo.p98` among those of `slo`."""
    for step in name.split(".")[:-1]:
        field = model.model_fields.get(step)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)


def _explain_value(
    spot: _Spot,
    details: list[ErrorDetails],
    model: type[BaseModel],
    entries: Mapping[str, Entry],
    place: Place,
    problems: Problems,
) -> None:
    title = place.option(spot.name) if spot.name else place.title
    if spot.node is None:
        what = "; ".join(dict.fromkeys(words.sentence(detail) for detail in details))
        problems.add(spot.where, _without_secrets(f"{title}: {what}", model, entries))
        return
    value = plain(spot.node)
    found = HIDDEN if spot.secret else show(value)
    wanted = list(dict.fromkeys(filter(None, map(words.expected, details))))
    said = [words.sentence(detail) for detail in details if words.expected(detail) is None]
    remedy = ""
    field = model.model_fields.get(spot.name)
    if isinstance(value, list) and field and not fieldtypes.takes_list(field):
        said, remedy = ["cannot be swept"], "give one value"
    elif wanted == ["a text"] and isinstance(value, (int, float)) and not spot.secret:
        remedy = f'write it in quotes: "{value}"'
    elif details[0]["type"] == "string_pattern_mismatch" and field:
        remedy = field.description or ""
    if wanted and not said:
        what = f"expected {' or '.join(wanted)}, found {found}"
    else:
        what = f"{_without_secrets('; '.join(dict.fromkeys(said)), model, entries)}, found {found}"
    problems.add(spot.where, f"{title}: {what}", remedy)


def _example(model: type[BaseModel], name: str) -> str:
    field = model.model_fields.get(name)
    return field.description or "" if field else ""


def _without_secrets(text: str, model: type[BaseModel], entries: Mapping[str, Entry]) -> str:
    for secret in _secrets(model, entries):
        text = text.replace(secret, HIDDEN)
    return redact(text)


def _secrets(model: type[BaseModel], entries: Mapping[str, Entry]) -> Iterable[str]:
    """What must not be quoted from a validator's message, longest first."""
    found = []
    for name, entry in entries.items():
        field = model.model_fields.get(name)
        if field is None or fieldtypes.is_secret(field) or is_secret_name(name):
            found += [str(text) for text in _texts(entry.node) if len(str(text)) > 2]
    return sorted(found, key=len, reverse=True)


def _texts(node: Node) -> Iterable[object]:
    match node:
        case Leaf(value=value):
            if isinstance(value, (str, float, int)) and not isinstance(value, bool):
                yield value
        case Items(items=items):
            for item in items:
                yield from _texts(item)
        case Map(entries=entries):
            for entry in entries.values():
                yield from _texts(entry.node)


def identity(kind: str, value: BaseModel) -> str:
    """A text that is equal for equal options, secrets in clear: for comparing, never for showing."""
    return kind + json.dumps(value.model_dump(), sort_keys=True, default=_clear)


def _clear(value: Any) -> Any:
    if isinstance(value, (SecretStr, SecretBytes)):
        return str(value.get_secret_value())
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    return to_jsonable_python(value, fallback=repr)
