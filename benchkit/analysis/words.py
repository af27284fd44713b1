"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchkit.units import show_us
from benchkit.words import named, say


def us_with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """`2.1 ms [2.0 ms, 2.2 ms]`; without an interval it says so."""
    if interval is None:
        return say("{value} (no interval)", value=show_us(value))
    return f"{show_us(value)} [{show_us(interval[0])}, {show_us(interval[1])}]"


def times(ratio: float) -> str:
    """1.043 -> '1.04x', 52.34 -> '52.3x', 1234 -> '1234x'; beyond 0.01 and 10000 nobody needs digits."""
    if ratio >= 1e4:
        return ">10000x"
    if 0 < ratio < 0.01:
        return "<0.01x"
    return f"{ratio:.2f}x" if ratio < 9.995 else f"{ratio:.1f}x" if ratio < 99.95 else f"{ratio:.0f}x"


def times_with_interval(ratio: float, interval: Sequence[float]) -> str:
    """`9.8x [9.1x, 10.6x]`."""
    return f"{times(ratio)} [{times(interval[0])}, {times(interval[1])}]"


def largest_phases(cell: dict[str, Any], count: int = 3, least: float = 0.05) -> str:
    """`compute 64%, decode 20%`: the phases of a cell of run.json with the largest shares."""
    shares = sorted(((phase["share"], name) for name, phase in cell["phases_us"].items()), reverse=True)
    parts = [f"{named(name)} {share:.0%}" for share, name in shares[:count] if share >= least]
    return ", ".join(parts) or say("spread over all phases")


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return say("{some} and {last}", some=", ".join(words[:-1]), last=words[-1])
