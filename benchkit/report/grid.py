"""What the page's table of results has beyond words: sort keys, axes to choose by, inline bars, badges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchkit.analysis.goodput_words import delivered_share, falls_short, show_share
from benchkit.records.samples import PHASES
from benchkit.report.charts import palette
from benchkit.report.excerpt import short
from benchkit.report.groups import Entry, Group, Row
from benchkit.report.text import cpu_us
from benchkit.words import named, say

_MOST_VALUES: Final = 40
_AXES: Final[Mapping[str, Callable[[Row], object]]] = {
    "transport": lambda row: row.transport,
    "codec": lambda row: row.entry["codec"],
    "stage": lambda row: row.entry["stage"],
    "source": lambda row: row.entry["source"],
    "load": lambda row: row.entry["load"]["name"],
    "workers": lambda row: row.entry["workers"],
    "validity": lambda row: named("valid") if row.valid else say("not valid"),
}


@dataclass(frozen=True, slots=True)
class Axis:
    """Something by which cells differ, and what it may be."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an inline bar that is 100 wide."""

    x: float
    width: float
    fill: str
    """Of light ground; the style sheet knows its twin."""
    name: str


@dataclass(frozen=True, slots=True)
class GridRow:
    """One cell's row."""

    keys: tuple[str, ...]
    """By story.COLUMNS without the label: what to sort by, a number or a text; empty sorts last."""
    choices: tuple[int, ...]
    """By axis: the place of its value."""
    bars: Mapping[int, tuple[Piece, ...]]
    """By place in `keys`: the figure as a bar, to the scale of its group."""
    badge: str
    """`lowest`, `67% delivered`, `tie`, `no interval`, `not valid` or nothing."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The axes of more than one value, and the rows by number of the cell."""

    axes: tuple[Axis, ...]
    rows: Mapping[int, GridRow]


def grid(found: Sequence[Group]) -> Grid:
    """Of all groups together."""
    rows = [row for group in found for row in group.rows]
    axes = tuple(_axes(rows))
    places = [{value: at for at, value in enumerate(axis.values)} for axis in axes]
    made = {}
    for group in found:
        longest = _longest_us(group)
        for row in group.rows:
            choices = tuple(
                place.get(_value(axis.name, row), -1) for axis, place in zip(axes, places, strict=True)
            )
            made[row.number] = GridRow(_keys(row), choices, _bars(row, longest), _badge(row))
    return Grid(axes, made)


def _axes(rows: Sequence[Row]) -> Iterator[Axis]:
    for name in _AXES:
        values = tuple(dict.fromkeys(_value(name, row) for row in rows))
        if 1 < len(values) <= _MOST_VALUES:
            yield Axis(name, values)


def _value(axis: str, row: Row) -> str:
    return short(_AXES[axis](row)) or "-"


def _keys(row: Row) -> tuple[str, ...]:
    entry, latency = row.entry, row.entry["latency_us"]
    verdict, guarantee = entry["verdict"], entry["guarantee"]
    numbers = (
        latency["p50"], latency["p90"], latency["p99"], latency["p999"],
        entry["throughput"]["messages_per_s"] if latency["count"] else None,
        cpu_us(entry["cost"]),
        row.place["ratio_to_best"] if row.place else None,
    )  # fmt: skip
    words = (short(verdict["bottleneck"]) if row.valid else "", short(guarantee["delivery"]))
    return (*("" if number is None else f"{number:.9g}" for number in numbers), *words)


def _longest_us(group: Group) -> float:
    shown = [row.entry["latency_us"][name] or 0.0 for row in group.rows for name in ("p50", "p99")]
    return max(shown, default=0.0)


def _bars(row: Row, longest_us: float) -> dict[int, tuple[Piece, ...]]:
    found: dict[int, tuple[Piece, ...]] = {}
    color = row.look.hue.light
    for at, name in ((0, "p50"), (2, "p99")):
        value = row.entry["latency_us"][name]
        if value is not None and value >= 0 and longest_us > 0:
            found[at] = (Piece(0.0, round(max(0.5, 100 * value / longest_us), 2), color, name),)
    if row.count and (shares := tuple(phase_pieces(_shares(row.entry)))):
        found[7] = shares
    return found


def _shares(entry: Entry) -> dict[str, float]:
    return {name: entry["phases_us"][name]["share"] or 0.0 for name in PHASES}


def phase_pieces(parts: Mapping[str, float]) -> Iterator[Piece]:
    """Phases as pieces of one whole bar; those without any part are left out."""
    whole = sum(max(0.0, part) for part in parts.values())
    x = 0.0
    for name in PHASES:
        width = 100 * max(0.0, parts.get(name, 0.0)) / whole if whole > 0 else 0.0
        if width >= 0.05:
            yield Piece(round(x, 2), round(width, 2), palette.PHASES[name].light, name)
        x += width


def _badge(row: Row) -> str:
    if not row.valid:
        return "not valid"
    if row.place is None:
        return ""
    if row.place["ratio_ci95"] is None:
        return "no interval"
    if row.place["ratio_ci95"] == [1.0, 1.0]:
        # What is quickest because it delivers a part is told apart from what is quickest.
        share = delivered_share(row.entry) or 1.0
        return say("{share} delivered", share=show_share(share)) if falls_short(row.entry) else "lowest"
    return "tie" if row.place["tied_with_best"] else ""
