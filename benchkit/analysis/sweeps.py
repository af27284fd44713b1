"""Which groups of a run are fields of one map: the same work for other payloads and other rates.

Written from run.json alone. A group is a payload under a load. Two groups belong to one sweep where nothing but
payload and rate may differ: workers, producers, replies, batches and the kind of arrivals are equal, and the stage is
of one kind. The stage's own options may differ, because another payload often needs another model; where that would
put two groups into one field, the groups are told apart by the kind of source, and if need be by every option.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.words import say

Entry = Mapping[str, Any]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One group: what it carries how often, and its cells."""

    group: str
    payload_bytes: int
    rate_per_s: float | None
    """As the scenario asks; None in a closed loop, and where the load was searched."""
    cells: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Groups that differ in payload and rate only, by payload, then rate."""

    title: str
    fields: tuple[Field, ...]

    @property
    def payloads_bytes(self) -> tuple[int, ...]:
        """Each once, ascending."""
        return tuple(sorted({field.payload_bytes for field in self.fields}))

    @property
    def rates_per_s(self) -> tuple[float | None, ...]:
        """Each once, ascending; None first."""
        return tuple(sorted({field.rate_per_s for field in self.fields}, key=_order))

    def at(self, payload_bytes: int, rate_per_s: float | None) -> Field | None:
        """The field there, if it was measured."""
        wanted = (payload_bytes, rate_per_s)
        return next((each for each in self.fields if (each.payload_bytes, each.rate_per_s) == wanted), None)


def sweeps(cells: Sequence[Entry]) -> list[Sweep]:
    """The sweeps of a run with at least two fields, in the order of the cells of run.json."""
    groups: dict[str, list[Entry]] = {}
    for cell in cells:
        groups.setdefault(str(cell["group"]), []).append(cell)
    fields = [_field(name, own) for name, own in groups.items()]
    found = [Sweep(_title(own), tuple(sorted(own, key=_place))) for own in _alike(fields, 0)]
    return [sweep for sweep in found if len(sweep.fields) > 1]


def _alike(fields: Sequence[Field], fineness: int) -> list[list[Field]]:
    """Fields in sweeps, no two of a sweep in one place."""
    together: dict[Key, list[Field]] = {}
    for field in fields:
        together.setdefault(_KEYS[fineness](field), []).append(field)
    found = []
    for own in together.values():
        clash = len({(each.payload_bytes, each.rate_per_s) for each in own}) < len(own)
        found += _alike(own, fineness + 1) if clash else [own]
    return found


def _field(group: str, cells: Sequence[Entry]) -> Field:
    first = cells[0]
    searched = any("capacity" in cell or "backlog" in cell for cell in cells)
    return Field(group, int(first["payload_bytes"]), None if searched else _rate(first), tuple(cells))


def _rate(cell: Entry) -> float | None:
    asked = _option(cell, "load").get("rate")
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return float(asked)
    offered = cell["load"].get("offered_per_s")
    return float(f"{offered:.3g}") if offered else None


def _option(cell: Entry, axis: str) -> Mapping[str, Any]:
    found = cell["parameters"].get(axis) if isinstance(cell["parameters"], Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _work(field: Field) -> Key:
    cell = field.cells[0]
    searched = [name for name in ("capacity", "backlog") if name in cell]
    facts = (
        cell["stage"],
        cell["workers"],
        cell.get("producers", 1),
        cell["replies"],
        cell["load"]["arrival"],
    )
    return (*map(str, facts), _text(_option(cell, "batch")), *searched)


def _work_and_source(field: Field) -> Key:
    return (*_work(field), str(_option(field.cells[0], "source").get("kind", field.cells[0]["source"])))


def _everything(field: Field) -> Key:
    cell = field.cells[0]
    axes = cell["parameters"] if isinstance(cell["parameters"], Mapping) else {}
    kept = {
        axis: value for axis, value in axes.items() if axis not in ("transport", "codec", "source", "load")
    }
    load = {name: value for name, value in _option(cell, "load").items() if name != "rate"}
    return (*_work_and_source(field), _text(kept), _text(load))


def _itself(field: Field) -> Key:
    return (field.group,)


_KEYS: Final[tuple[Callable[[Field], Key], ...]] = (_work, _work_and_source, _everything, _itself)
"""What must be equal within a sweep, from the coarse to the fine."""


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _title(fields: Sequence[Field]) -> str:
    cell = fields[0].cells[0]
    workers = cell["workers"]
    many = say(", {workers} workers", workers=workers) if workers != 1 else ""
    return say(
        "{stage} stage, {arrival} arrivals{many}",
        stage=cell["stage"],
        arrival=cell["load"]["arrival"],
        many=many,
    )


def _place(field: Field) -> tuple[int, tuple[bool, float]]:
    return field.payload_bytes, _order(field.rate_per_s)


def _order(rate_per_s: float | None) -> tuple[bool, float]:
    return rate_per_s is not None, rate_per_s or 0.0
