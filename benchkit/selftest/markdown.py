"""What the self-tests' pages are written with."""

from __future__ import annotations

from collections.abc import Sequence


def row(values: Sequence[object]) -> str:
    """Of a table."""
    return f"| {' | '.join(map(str, values))} |"


def period(days: Sequence[str]) -> str:
    """The first and the last of some days in order, in words."""
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "no trial"
