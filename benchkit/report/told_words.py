"""What the stages of a cell told, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.units import show_bytes, show_us
from benchkit.words import say, word

Entry = Mapping[str, Any]
_IN_US: Final = {"_ns": 1e-3, "_us": 1.0, "_ms": 1e3, "_s": 1e6}
_SHOWN: Final = ("p50", "p99", "max")
_TITLES: Final = {
    "skew_us": word("frame-to-KLV skew"),
    "klv_lost": word("frames without KLV"),
    "klv_bad": word("damaged KLV packets"),
    "frames_decoded": word("frames decoded"),
    "frames_undecodable": word("frames not decodable"),
}
"""Of the stages that come with benchkit; what another one tells goes by its own names."""


def in_words(told: Entry) -> Iterator[str]:
    """A phrase for each thing that was told, spreads first: `skew p50 12.0 us, p99 3.1 ms, max 4.0 ms (of 90)`.

    A spread whose values are all the same is that value.
    """
    spreads = {name: value for name, value in told.items() if isinstance(value, Mapping)}
    for name, spread in spreads.items():
        title, figures = _title(name), _figures(name, spread)
        if figures:
            yield say(
                "{title} {figures} (of {count})", title=title, figures=figures, count=f"{spread['count']:g}"
            )
    counts = {name: value for name, value in told.items() if name not in spreads}
    for name, value in counts.items():
        # What never happened is said only where nothing did.
        if value or not any(told.values()):
            yield f"{_title(name)}: {_shown(name, value)}"


def _figures(name: str, spread: Entry) -> str:
    if "max" in spread and spread.get("min") == spread["max"]:
        return _shown(name, spread["max"])
    # Below zero the least is the one that is far off.
    shown = ("min", *_SHOWN) if spread.get("min", 0) < 0 else _SHOWN
    return ", ".join(f"{part} {_shown(name, spread[part])}" for part in shown if part in spread)


def _title(name: str) -> str:
    """Without its unit, which stands at the figures."""
    if name in _TITLES:
        return say(_TITLES[name])
    unit = next((unit for unit in (*_IN_US, "_bytes") if name.endswith(unit)), "")
    return name.removesuffix(unit).replace("_", " ")


def _shown(name: str, value: float) -> str:
    if name.endswith("_bytes"):
        return show_bytes(value)
    scale = next((scale for unit, scale in _IN_US.items() if name.endswith(unit)), None)
    return f"{value:g}" if scale is None else show_us(value * scale)


def told_lines(cells: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Of cells of run.json: the row's label with the group, and what its stages told."""
    for cell in cells:
        told = cell.get("told")
        if told:
            yield f"{cell['labels']['row']} ({cell['group']})", "; ".join(in_words(told))
