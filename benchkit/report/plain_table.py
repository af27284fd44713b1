"""Plain data of run.json as tables: a field's name says its unit, so it says how its values are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.words import times
from benchkit.records.samples import PHASES
from benchkit.report.excerpt import excerpt
from benchkit.report.grid import Piece, phase_pieces
from benchkit.report.text import rate
from benchkit.units import show_bytes, show_seconds, show_us
from benchkit.words import named, say

MOST_ROWS: Final = 200
_MOST_COLUMNS: Final = 14
_SUFFIXES: Final = ("_us", "_ns", "_s", "_bytes", "_per_s", "_ci95")
_IDENTIFIERS: Final = ("phase", "role", "kind", "name", "limited_by", "bottleneck")
"""Fields that hold a name people call by a word of their language."""
_SHARES: Final = ("share", "utilisation", "utilization")


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a table."""

    text: str
    share: float | None = None
    """0 to 1 where it is one: drawn as a bar."""
    number: bool = False
    pieces: tuple[Piece, ...] = ()
    """The phases of a message, as a bar."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; the first field of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    more: int = 0
    """How many rows are left out."""

    @property
    def words(self) -> tuple[bool, ...]:
        """By column: it holds words, which begin on the left."""
        return tuple(
            any(not row[at].number and row[at].text != "-" for row in self.rows)
            for at in range(len(self.columns))
        )


def table(caption: str, entries: Iterable[Any], leave: Sequence[str] = ()) -> Table | None:
    """Mappings of like fields, one row each, without the fields in `leave`; None where there is none."""
    found = [entry for entry in entries if isinstance(entry, Mapping)]
    keys = list(dict.fromkeys(key for entry in found for key in entry if key not in leave))[:_MOST_COLUMNS]
    if not found or not keys:
        return None
    rows = tuple(tuple(shown(str(key), entry.get(key)) for key in keys) for entry in found[:MOST_ROWS])
    return Table(caption, tuple(heading(str(key)) for key in keys), rows, max(0, len(found) - MOST_ROWS))


def heading(key: str) -> str:
    """`demand_us_per_message` -> `demand per message`: the unit stands at the value."""
    for suffix in ("_us_per_", "_ns_per_", "_bytes_per_"):
        key = key.replace(suffix, "_per_")
    if not key.endswith("_per_s"):
        for suffix in _SUFFIXES:
            key = key.removesuffix(suffix)
    return named(excerpt(key.replace("_per_s", " per s").replace("_", " "), 60))


def shown(key: str, value: Any) -> Value:
    """A field's value in the unit of its name."""
    if isinstance(value, bool):
        return Value(say("yes") if value else say("no"))
    if value is None or value == "":
        return Value("-")
    if isinstance(value, (int, float)):
        share = float(value) if _is_share(key) and 0 <= value <= 1 else None
        return Value(_number(key, value), share, number=True)
    if isinstance(value, Mapping):
        return _nested(key, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        parts = ", ".join(shown(key, each).text for each in value[:MOST_ROWS])
        return Value(f"[{parts}]" if "ci95" in key or "interval" in key else excerpt(parts))
    return Value(excerpt(named(value) if key in _IDENTIFIERS else value))


def _nested(key: str, fields: Mapping[str, Any]) -> Value:
    """`now 41/s, predicted 78/s`: what does not say its unit has that of the field around it."""
    if key.startswith("phases") and (pieces := tuple(phase_pieces(_phases(fields)))):
        largest = sorted(_phases(fields).items(), key=lambda item: -item[1])[:3]
        return Value(", ".join(f"{named(name)} {show_us(us)}" for name, us in largest), pieces=pieces)
    parts = []
    for name, value in fields.items():
        if value is None or value == "":
            continue
        own = name if name.endswith(_SUFFIXES) else key.removesuffix("_ci95")
        text = shown(
            name if name in _IDENTIFIERS else f"{own}_ci95" if name.endswith("ci95") else own, value
        ).text
        parts.append(f"{heading(name)} {text}" if name != "ci95" else text)
    return Value(excerpt(", ".join(parts)) or "-")


def _phases(fields: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(fields[name]) for name in PHASES if isinstance(fields.get(name), (int, float))}


def _is_share(key: str) -> bool:
    return key in _SHARES or key.endswith(tuple(f"_{each}" for each in _SHARES))


def _number(key: str, value: float) -> str:
    name = key.removesuffix("_ci95")
    if _is_share(name):
        return f"{value:.1%}"
    if name.endswith("_per_s"):
        return rate(value)
    if name.endswith("_us") or "_us_per_" in name:
        return show_us(value)
    if name.endswith("_ns") or "_ns_per_" in name:
        return show_us(value / 1e3)
    if name.endswith("_bytes") or "_bytes_per_" in name:
        return show_bytes(value)
    if name.endswith("_s"):
        return show_seconds(value)
    if name == "ratio" or name.startswith("ratio_") or name.endswith(("_ratio", "slowdown")):
        return times(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
