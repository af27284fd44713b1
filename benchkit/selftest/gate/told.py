"""What the terminal and the page say in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]


def name(rate: Entry) -> str:
    """`10% slower, hogs`."""
    effect = rate["effect"]
    return f"{f'{100 * effect:g}% slower' if effect else 'alike'}, {rate['condition']}"


def bar_line(bar: Entry) -> str:
    """One promise: whether it holds, and what was reached of how many."""
    reached = "not tried" if bar["reached"] is None else f"{100 * bar['reached']:.2f}% of {bar['of']}"
    sign = "at most" if bar["at_most"] else "at least"
    word = {True: "holds", False: "BROKEN", None: "-"}[bar["holds"]]
    return f"{word:6} {bar['name']}: {reached} ({sign} {100 * bar['limit']:g}%)"
