"""A promise of the scenario in words: `p99 <= 50 ms`, `compute share >= 60.0%`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchkit import budgets
from benchkit.units import show_us
from benchkit.words import named, say


def quantity(promise: Mapping[str, Any], name: str) -> str:
    """The `limit` or the `value` of an entry of run.json's `promises`."""
    value = promise[name]
    if "unit" in promise:
        return budgets.show(value, promise["unit"])
    return "-" if value is None else f"{value:.2%}" if promise["name"] == "loss" else show_us(value * 1e6)


def asked(promise: Mapping[str, Any], sign: str = "<=") -> str:
    """What was promised; `sign` is how "at most" is written."""
    relation = {"<=": ">=", "≤": "≥"}[sign] if promise.get("at_least") else sign
    return f"{promise['name']} {relation} {quantity(promise, 'limit')}"


def said(promise: Mapping[str, Any]) -> str:
    """What became of it."""
    if promise["kept"] is None:
        return say("not decidable with this sample")
    return named("kept" if promise["kept"] else "broken")
