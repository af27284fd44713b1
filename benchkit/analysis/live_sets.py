"""Cells that differ by what traffic control does, or by their workers, side by side; and what they say together.

The ranking compares transports and codecs within a group; policies are groups of their own, since they do not carry
the same messages. Written from run.json alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.goodput_words import delivered_share, show_share
from benchkit.analysis.words import us_with_interval
from benchkit.words import say

Entry = Mapping[str, Any]
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class LiveSet:
    """Cells of the same source under the same load."""

    title: str
    cells: tuple[Entry, ...]
    names: tuple[str, ...]
    """Their row labels, with what tells them apart in this set."""


def live_sets(cells: Sequence[Entry], across: Sequence[str] = ("flow",)) -> list[LiveSet]:
    """Sets in the order of the cells; `across` are the axes by which the cells of a set may differ."""
    together: dict[str, list[Entry]] = {}
    for cell in cells:
        together.setdefault(_alike(cell, across), []).append(cell)
    return [_set(own) for own in together.values()]


def _alike(cell: Entry, across: Sequence[str]) -> str:
    free = ("transport", "codec", *across)
    options = {axis: value for axis, value in cell["parameters"].items() if axis not in free}
    facts = [cell["source"], cell["load"]["name"], cell["stage"], cell.get("producers"), cell["replies"]]
    workers = None if "workers" in across else cell["workers"]
    return json.dumps([facts, options, workers], sort_keys=True, default=str)


def _set(cells: Sequence[Entry]) -> LiveSet:
    parts = [str(cell["group"]).split("/") for cell in cells]
    common = [part for part in parts[0] if all(part in other for other in parts)]
    first = cells[0]
    size = str(first["labels"]["group"]).removeprefix(str(first["group"]))
    names = tuple(
        ", ".join([str(cell["labels"]["row"]), *(_said(part) for part in own if part not in common)])
        for cell, own in zip(cells, parts, strict=True)
    )
    return LiveSet(f"{'/'.join(common)}{size}", tuple(cells), names)


def _said(part: str) -> str:
    return part.removeprefix("flow=")


def policies_compared(cells: Sequence[Entry]) -> list[str]:
    """A sentence for each set in which two policies or more are valid: what is freshest, and what delivers most."""
    found = []
    for each in live_sets(cells):
        valid = [
            (name, cell)
            for name, cell in zip(each.names, each.cells, strict=True)
            if cell["validity"]["valid"] and _stale_us(cell) is not None
        ]
        if len({_policy(cell) for _, cell in valid}) > 1:
            found.append(_compared(each.title, valid))
    return found


def _policy(cell: Entry) -> str:
    return json.dumps(cell["parameters"].get("flow"), sort_keys=True, default=str)


def _stale_us(cell: Entry) -> float | None:
    found = cell.get("freshness") or {}
    stale = (found.get("staleness_us") or {}).get("mean")
    return float(stale) if isinstance(stale, int | float) and delivered_share(cell) is not None else None


def _compared(title: str, cells: Sequence[tuple[str, Entry]]) -> str:
    freshest = min(cells, key=lambda each: _stale_us(each[1]) or 0.0)
    fullest = max(cells, key=lambda each: (delivered_share(each[1]) or 0.0, -(_stale_us(each[1]) or 0.0)))
    ties = [name for name, cell in cells if name != freshest[0] and _overlap(cell, freshest[1])]
    told = say("{title}: results are freshest with {freshest}", title=title, freshest=_one(*freshest))
    if ties:
        more = say(" and {count} more", count=len(ties) - _NAMED) if len(ties) > _NAMED else ""
        named = ", ".join(ties[:_NAMED])
        told = say("{told}, which cannot be told apart from {ties}{more}", told=told, ties=named, more=more)
    return say("{told}; most is delivered by {fullest}.", told=told, fullest=_one(*fullest))


def _overlap(one: Entry, other: Entry) -> bool:
    """Their staleness may be the same, as far as anybody knows."""
    known = [(each["freshness"]["staleness_us"].get("mean_ci95")) for each in (one, other)]
    return not all(known) or (known[0][0] <= known[1][1] and known[1][0] <= known[0][1])


def _one(name: str, cell: Entry) -> str:
    return say(
        "{name} (staleness {stale}, delivered {share})",
        name=name,
        stale=us_with_interval(_stale_us(cell), cell["freshness"]["staleness_us"].get("mean_ci95")),
        share=show_share(delivered_share(cell) or 0.0),
    )
