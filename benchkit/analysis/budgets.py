"""The budgets of a scenario, held against a cell of run.json: phases, processor time, bytes, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchkit.budgets import ROLES, Budget, budget
from benchkit.errors import RecordError

Entry = Mapping[str, Any]


def budgets_of(cell: Entry, texts: Iterable[str]) -> list[dict[str, Any]]:
    """One entry a budget, as in `promises`; an invalid cell, or a figure that is unknown, decides nothing."""
    decidable = bool(cell["validity"]["valid"])
    return [_entry(cell, read(text), decidable=decidable) for text in texts]


def read(text: str) -> Budget:
    """A budget of a record; raises RecordError where it is none."""
    try:
        return budget(text)
    except ValueError as error:
        raise RecordError(
            f"a promise that cannot be read: {error}",
            remedy="pip install --upgrade benchkit, or measure anew",
        ) from error


def _entry(cell: Entry, asked: Budget, *, decidable: bool) -> dict[str, Any]:
    value = _value(cell, asked) if decidable else None
    return {
        "cell": cell["id"],
        "name": asked.name,
        "limit": asked.limit,
        "value": value,
        "kept": None if value is None else asked.kept(value),
        "at_least": asked.at_least,
        "unit": asked.unit,
    }


def _value(cell: Entry, asked: Budget) -> float | None:
    if asked.subject == "wire":
        return float(cell["wire_bytes"])
    if asked.subject == "throughput":
        return float(cell["throughput"]["messages_per_s"])
    if asked.subject in ("goodput", "age", "staleness", "jitter", "freezes"):
        return _fresh(cell.get("freshness"), asked)
    if asked.measure == "cpu":
        return cpu_s(cell["cost"], ROLES if asked.subject == "total" else (asked.subject,))
    if asked.measure == "memory":
        # Nothing is not a size that a process can have: nobody looked.
        return float(cell["cost"]["peak_rss_bytes"].get(asked.subject) or 0) or None
    found = cell["phases_us"][asked.subject][asked.measure]
    return None if found is None else float(found) / (1.0 if asked.measure == "share" else 1e6)


def _fresh(found: Any, asked: Budget) -> float | None:
    """Of the freshness of a cell; None where an older benchkit saw none of it."""
    if not isinstance(found, Mapping):
        return None
    if asked.subject == "freezes":
        return float(found["freezes"]["count"])
    if asked.subject == "goodput":
        return None if found["goodput_share"] is None else float(found["goodput_share"])
    value = found["jitter_us"] if asked.subject == "jitter" else found[f"{asked.subject}_us"][asked.measure]
    return None if value is None else float(value) / 1e6


def cpu_s(cost: Entry, roles: Iterable[str] = ROLES) -> float | None:
    """Processor time per message of these roles together; None where one of them is unknown."""
    spent = [cost[f"{role}_cpu_us_per_message"] for role in roles]
    return None if any(each is None for each in spent) else sum(spent) / 1e6
