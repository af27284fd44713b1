"""Profiles in words, from run.json: for the terminal and for the facts of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.units import show_us

Entry = Mapping[str, Any]
_PHASES: Final = ("encode", "send", "decode", "batch", "compute", "reply")
_NO_PARTY: Final = ("operators", "native", "slowdown", "cost", "gap")
_MOST: Final = 2
_LEAST: Final = 0.10
_MATTERS: Final = 0.10
"""Of the mean latency: smaller phases are left to the page."""
_MOST_OPERATORS: Final = 3
_MOSTLY: Final = 0.5


def brief(cell: Entry) -> Iterator[str]:
    """For the terminal: what profiling cost, the phases that matter, gaps and where the pages are."""
    found = cell.get("profiles")
    if not found:
        return
    if found["gap"]:
        yield f"not profiled: {found['gap']}"
        return
    yield found["cost"]
    matter = [phase for phase in _PHASES if cell["phases_us"][phase]["share"] >= _MATTERS]
    yield from _told(found, matter)
    if files := [party["file"] for _, party in _parties(found) if party["file"]]:
        yield f"pages: {', '.join(files)}"


def full(cell: Entry) -> str:
    """For a page: every phase; in one text, as a fact of the cell."""
    found = cell.get("profiles")
    if not found:
        return ""
    if found["gap"]:
        return f"none: {found['gap']}"
    return "; ".join([found["cost"], *_told(found, _PHASES)])


def _parties(found: Entry) -> Iterator[tuple[str, Entry]]:
    return ((name, each) for name, each in found.items() if name not in _NO_PARTY)


def _told(found: Entry, phases: Sequence[str]) -> Iterator[str]:
    for name, party in _parties(found):
        if told := "; ".join(_phases(party, phases)):
            yield f"{name}: {told}"
        if party["gap"]:
            yield f"{name}: {party['gap']}"
    if told := ", ".join(_operator(each) for each in found["operators"][:_MOST_OPERATORS]):
        yield f"operators: {told}"
    for name, native in found["native"].items():
        if native["gap"]:
            yield f"{name}, native code: {native['gap']}"


def _phases(party: Entry, phases: Sequence[str]) -> Iterator[str]:
    for phase in phases:
        top = [each for each in party["top"] if each["phase"] == phase]
        told = [f"{each['share']:.0%} in {_where(each)}" for each in top if each["share"] >= _LEAST][:_MOST]
        if told:
            yield f"{phase} {', '.join(told)}"


def _where(frame: Entry) -> str:
    called = f", called from {frame['caller']}" if frame["caller_share"] >= _MOSTLY else ""
    return f"{frame['name']} ({frame['where']}){called}" if frame["where"] else f"{frame['name']}{called}"


def _operator(each: Entry) -> str:
    return f"{each['share']:.0%} in {each['name']} ({each['type']}, {show_us(each['mean_us'])} a call)"
