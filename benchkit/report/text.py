"""Words and figures for a terminal: nothing that came from outside may move the cursor or style the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchkit.units import show_us
from benchkit.words import say

if TYPE_CHECKING:
    from rich.text import Text


def clean(value: object) -> str:
    """The value as one printable line: control, bidirectional and unassigned characters become `?`."""
    line = " ".join(str(value).split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def ascii_twin(words: str) -> str:
    """The words as a console without Unicode can print them, letter for letter."""
    return words.replace("±", "~").encode("ascii", "replace").decode()


def text(value: object, style: str = "") -> Text:
    """Cleaned, and never read as markup."""
    from rich.text import Text

    return Text(clean(value), style=style)


def within(value: float | None, interval: Sequence[float] | None) -> str:
    """`2.1 ms ±5%`: the farther end of the 95% interval; `±?` where there is no interval."""
    if not value:
        return show_us(value)
    if interval is None:
        return f"{show_us(value)} ±?"
    farther = max(interval[1] - value, value - interval[0]) / value
    if farther >= 9.995:
        return f"{show_us(value)} ±>999%"
    return f"{show_us(value)} ±{farther:.0%}" if farther >= 0.005 else f"{show_us(value)} ±<1%"


def span(interval_us: Sequence[float]) -> str:
    """`2.0 ms to 2.2 ms`."""
    return say("{low} to {high}", low=show_us(interval_us[0]), high=show_us(interval_us[1]))


def rate(per_s: float) -> str:
    """29.94 -> '29.9/s', 12345.0 -> '12.3k/s'."""
    scale, unit = (1.0, "") if per_s < 999.5 else (1e3, "k") if per_s < 999.5e3 else (1e6, "M")
    value = per_s / scale
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{unit}/s"


def cpu_us(cost: dict[str, Any]) -> float | None:
    """CPU of producer, stage and broker per delivered message together; None when one is not known."""
    parts = [cost.get(f"{role}_cpu_us_per_message") for role in ("producer", "stage", "broker")]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
