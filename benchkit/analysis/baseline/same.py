"""Are two scenarios one? The field that differs, where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchkit.errors import UsageError
from benchkit.records.baseline import rounded

_NO_MATTER: Final = frozenset({"description", "slo", "promises", "what_if", "gate"})
"""Sections that change nothing of what is measured."""


def difference(base: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Path of the first field that differs and its two values; None where both measure the same."""
    kept = [{key: value for key, value in each.items() if key not in _NO_MATTER} for each in (base, now)]
    return _difference("", rounded(kept[0]), rounded(kept[1]))


def refuse_other(base: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, str]) -> None:
    """Raise UsageError with the field that differs; both hold `scenario` and `quick`, as run.json does."""
    found = difference(base["scenario"], now["scenario"])
    if found is None and bool(base["quick"]) != bool(now["quick"]):
        found = "--quick", bool(base["quick"]), bool(now["quick"])
    if found is not None:
        path, own, other = found
        raise UsageError(
            f"another scenario: {path} is {own!r:.60} in {names[0]} and {other!r:.60} in {names[1]}",
            remedy="compare runs of one scenario, or save a baseline of this one: benchkit baseline save RUN RUN...",
        )


def _difference(path: str, own: Any, other: Any) -> tuple[str, Any, Any] | None:
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        for key in sorted({*own, *other}):
            if found := _difference(f"{path}.{key}".lstrip("."), own.get(key), other.get(key)):
                return found
        return None
    if isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        for at, pair in enumerate(zip(own, other, strict=True)):
            if found := _difference(f"{path}[{at}]", *pair):
                return found
        return None
    return None if own == other and type(own) is type(other) else _unless_equal(path, own, other)


def _unless_equal(path: str, own: Any, other: Any) -> tuple[str, Any, Any] | None:
    """1 and 1.0 are one number; true is none."""
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (own, other))
    return None if numbers and own == other else (path, own, other)
