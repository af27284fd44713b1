"""What faults and declared guarantees are called in tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from benchkit.analysis.recovery.declared import parts
from benchkit.records.faults import Trial

_WHEN: Final = ("moment", "at", "kind", "party", "faults")
"""Options that say when, or stand in the name itself."""


def key_of(fault: Mapping[str, Any]) -> str:
    """The same for faults that differ at most in their moment."""
    return json.dumps(_without_moment(fault), sort_keys=True, default=str)


def _without_moment(fault: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fault.items() if name not in ("moment", "at")}
    if isinstance(kept.get("faults"), (list, tuple)):
        kept["faults"] = [_without_moment(each) for each in kept["faults"] if isinstance(each, Mapping)]
    return kept


def moment_of(trial: Trial) -> str:
    """Which moment was asked for: `idle`, `mid-message`, `backlog`, `any`; empty for a control."""
    if trial.control:
        return ""
    return str(trial.moment.get("asked") or trial.fault.get("moment") or "any")


def labels_of(faults: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Short names by `key_of`: `kill stage`; with the options in which they differ where two would be alike."""
    by_key = {key_of(fault): fault for fault in faults}
    names = {key: _short(fault) for key, fault in by_key.items()}
    alike: dict[str, list[str]] = {}
    for key, name in names.items():
        alike.setdefault(name, []).append(key)
    return {key: name if len(alike[name]) == 1 else _told_apart(name, key, alike[name], by_key)
            for key, name in names.items()}  # fmt: skip


def _short(fault: Mapping[str, Any]) -> str:
    told = []
    for part in parts(fault):
        party = part.get("party")
        told.append(f"{part.get('kind', '?')} {party}" if party else str(part.get("kind", "?")))
    return " + ".join(told) or "none"


def _told_apart(name: str, key: str, alike: Iterable[str], by_key: Mapping[str, Mapping[str, Any]]) -> str:
    own, others = by_key[key], [by_key[each] for each in alike]
    differ = [
        option
        for option in own
        if option not in _WHEN and any(other.get(option) != own[option] for other in others)
    ]
    return " ".join([name, *(f"{option}={_as_written(own[option])}" for option in differ)])


def _as_written(value: object) -> str:
    """As a scenario says it."""
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)


def declared_of(trial: Trial) -> dict[str, str]:
    """`delivery`, `durability`, `level`, in this order."""
    return {name: str(trial.capabilities.get(name, "")) for name in ("delivery", "durability", "level")}


def class_of(declared: Mapping[str, str]) -> str:
    """What has to be alike before two transports may be held against each other: `at-least-once, disk (AOF always)`."""
    level = f" ({declared['level']})" if declared.get("level") else ""
    return ", ".join(filter(None, (declared.get("delivery"), declared.get("durability")))) + level
