"""Cells of several runs side by side: figures, ratio to the first run with its interval, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.compare import Difference
from benchkit.analysis.words import times, times_with_interval
from benchkit.records.samples import PHASES
from benchkit.report.excerpt import excerpt, short
from benchkit.report.grid import Piece, phase_pieces
from benchkit.units import show_us

Entry = Mapping[str, Any]
MOST_SENTENCES: Final = 3
_ORDER: Final = ("slower", "faster", "no difference seen", "not decidable")


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell in one run; `p50` is `-` where it was not measured or is not in that run."""

    p50: str
    interval: str
    valid: bool
    key: str
    """To sort by."""
    pieces: tuple[Piece, ...]
    """Its phases, to the scale of its row's longest p50."""


@dataclass(frozen=True, slots=True)
class Change:
    """A cell in a later run against the first."""

    ratio: str
    says: str
    why: str
    key: str
    claims: bool
    """A difference is claimed: the interval leaves 1 out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One cell."""

    label: str
    figures: tuple[Figure, ...]
    """By run."""
    changes: tuple[Change, ...]
    """By later run."""


@dataclass(frozen=True, slots=True)
class Part:
    """The cells of one group."""

    title: str
    lines: tuple[Line, ...]


def parts(documents: Sequence[Entry], found: Sequence[Difference]) -> tuple[Part, ...]:
    """Cells of the first run that any later one shares, by group, in the first run's order."""
    by_place = {(each.run, each.cell): each for each in found}
    shared = {each.cell for each in found}
    cells = [{cell["id"]: cell for cell in document["cells"]} for document in documents]
    groups: dict[str, list[Line]] = {}
    for cell in documents[0]["cells"]:
        if cell["id"] in shared:
            title = excerpt(cell["labels"]["group"] or "cells", 100)
            groups.setdefault(title, []).append(_line(cell["id"], cells, by_place))
    return tuple(Part(title, tuple(lines)) for title, lines in groups.items())


def _line(
    name: str, cells: Sequence[Mapping[str, Entry]], found: Mapping[tuple[int, str], Difference]
) -> Line:
    own = [each.get(name) for each in cells]
    longest = max((cell["latency_us"]["p50"] or 0.0 for cell in own if cell), default=0.0)
    changes = (found.get((number, name)) for number in range(1, len(cells)))
    return Line(
        short(cells[0][name]["labels"]["row"], 60),
        tuple(_figure(cell, longest) for cell in own),
        tuple(map(change, changes)),
    )


def _figure(cell: Entry | None, longest_us: float) -> Figure:
    latency = cell["latency_us"] if cell else {}
    p50, interval = latency.get("p50"), latency.get("p50_ci95")
    if cell is None or p50 is None:
        return Figure(
            "-", "not in this run" if cell is None else "nothing measured", valid=False, key="", pieces=()
        )
    shares = {name: (cell.get("phases_us", {}).get(name) or {}).get("share") or 0.0 for name in PHASES}
    scale = p50 / longest_us if longest_us else 0.0
    pieces = tuple(
        Piece(round(each.x * scale, 2), round(each.width * scale, 2), each.fill, each.name)
        for each in phase_pieces(shares)
    )
    said = "[" + ", ".join(map(show_us, interval)) + "]" if interval else "no interval"
    return Figure(show_us(p50), said, bool(cell["validity"]["valid"]), f"{p50:.6g}", pieces)


def change(found: Difference | None) -> Change:
    """What a difference says; None is a cell that the later run does not have."""
    if found is None:
        return Change("-", "not in this run", "", "", claims=False)
    ratio = "-" if found.ratio is None else times(found.ratio)
    if found.ratio is not None and found.interval is not None:
        ratio = times_with_interval(found.ratio, found.interval)
    key = "" if found.ratio is None else f"{found.ratio:.6g}"
    return Change(ratio, found.change, found.why, key, claims=found.change in ("slower", "faster"))


def sentence(number: int, found: Sequence[Difference], documents: Sequence[Entry]) -> str:
    """What changed in one later run, numbered from 2: how many cells, and which the most."""
    own = [each for each in found if each.run == number - 1]
    if not own:
        return f"Run {number} shares no cell with run 1."
    counts = Counter(each.change for each in own)
    told = ", ".join(_count(counts[kind], kind) for kind in _ORDER if counts[kind])
    cells = "the one cell" if len(own) == 1 else f"{len(own)} cells"
    said = f"Run {number} against run 1, {cells} that both have: {told}"
    claimed = [each for each in own if each.interval and each.change in ("slower", "faster")]
    if claimed:
        slower = [each for each in claimed if each.change == "slower"]
        most = max(slower or claimed, key=_surely)
        cell = next(cell for cell in documents[0]["cells"] if cell["id"] == most.cell)
        where = f"{short(cell['labels']['row'])} ({short(cell['labels']['group'])})"
        said += f"; most of all {where}, {change(most).ratio} as long"
    return f"{said}."


def _surely(each: Difference) -> float:
    """The part of a ratio that its interval is sure of, either way."""
    low, high = each.interval or (1.0, 1.0)
    return max(low, 1 / max(high, 1e-9))


def _count(many: int, kind: str) -> str:
    return {
        "slower": f"{many} slower",
        "faster": f"{many} faster",
        "no difference seen": f"no difference seen in {many}",
        "not decidable": f"{many} not decidable",
    }[kind]


def alone(documents: Sequence[Entry]) -> list[str]:
    """Which cells a later run does not share with the first, either way, in sentences."""
    said = []
    base = {cell["id"] for cell in documents[0]["cells"]}
    for number, document in enumerate(documents[1:], 2):
        other = {cell["id"] for cell in document["cells"]}
        for ids, where in (
            (base - other, f"run 1 and not in run {number}"),
            (other - base, f"run {number} and not in run 1"),
        ):
            if ids:
                said.append(f"Only in {where}: {_names(sorted(ids))}.")
    return said


def _names(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 6} more" if len(ids) > 6 else ""
    return ", ".join(short(each, 60) for each in ids[:6]) + more
