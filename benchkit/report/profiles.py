"""Profiles in words, from run.json: for the terminal and for the facts of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Entry = Mapping[str, Any]
_PHASES: Final = ("encode", "send", "decode", "batch", "compute", "reply")
_NO_PARTY: Final = ("operators", "native", "slowdown", "cost", "gap")
_MOST: Final = 2
_LEAST: Final = 0.10
_MOST_OPERATORS: Final = 3


def lines(cell: Entry) -> Iterator[str]:
    """What was seen, line by line: what profiling cost, each phase's largest functions, operators, gaps, files."""
    found = cell.get("profiles")
    if not found:
        return
    if found["gap"]:
        yield f"not profiled: {found['gap']}"
        return
    yield found["cost"]
    parties = {name: each for name, each in found.items() if name not in _NO_PARTY}
    for name, party in parties.items():
        told = "; ".join(_phases(party))
        if told:
            yield f"{name}: {told}"
        if party["gap"]:
            yield f"{name}: {party['gap']}"
    if told := ", ".join(_operator(each) for each in found["operators"][:_MOST_OPERATORS]):
        yield f"operators: {told}"
    for name, native in found["native"].items():
        if native["gap"]:
            yield f"{name}, native code: {native['gap']}"
    if files := [party["file"] for party in parties.values() if party["file"]]:
        yield f"pages: {', '.join(files)}"


def _phases(party: Entry) -> Iterator[str]:
    for phase in _PHASES:
        top = [each for each in party["top"] if each["phase"] == phase][:_MOST]
        told = [f"{each['share']:.0%} in {_where(each)}" for each in top if each["share"] >= _LEAST]
        if told:
            yield f"{phase} {', '.join(told)}"


def _where(frame: Entry) -> str:
    return f"{frame['name']} ({frame['where']})" if frame["where"] else str(frame["name"])


def _operator(each: Entry) -> str:
    return f"{each['share']:.0%} in {each['name']} ({each['calls']} calls of {each['mean_us']:.3g} us)"
