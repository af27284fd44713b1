"""What limits a cell and what makes its slow messages slow, in a sentence each; from run.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchkit.report.text import rate
from benchkit.units import show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]
_NAMED: Final = 3


def limits(cell: Entry) -> str:
    """Which resource saturates first, at which rate, and what comes next; empty where no demand is known."""
    laws = cell.get("laws") or {}
    stations = sorted(laws.get("stations") or (), key=lambda each: each["saturates_per_s"])
    if not stations:
        return ""
    first, *others = stations[:_NAMED]
    busy = min(1.0, cell["throughput"]["messages_per_s"] / first["saturates_per_s"])
    text = say(
        "{name} works {busy:.0%} of the time, {demand_us} a message: saturated at {saturates_per_s}",
        name=_name(first),
        busy=busy,
        demand_us=show_us(first["demand_us"]),
        saturates_per_s=rate(first["saturates_per_s"]),
    )
    next_ = ", ".join(
        say("{name} at {saturates_per_s}", name=_name(each), saturates_per_s=rate(each["saturates_per_s"]))
        for each in others
    )
    return say("{text}; next {next}", text=text, next=next_) if next_ else text


def _name(station: Entry) -> str:
    many = station["servers"] > 1
    return (
        f"{station['servers']} {named(station['name'].removesuffix('s') + 's')}"
        if many
        else named(str(station["name"]))
    )


def slow(cell: Entry) -> str:
    """What is different about the slow messages; empty where nothing is."""
    ledger = cell.get("ledger") or {}
    return str(ledger.get("words") or "")


def gaps(cell: Entry) -> list[str]:
    """What could not be seen of its processes and cores, each reason once; a link says it of itself."""
    found: dict[str, list[str]] = {}
    for each in cell.get("resources") or ():
        if each["role"] == "link":
            continue
        for name, why in each["gaps"].items():
            told = found.setdefault(why, [])
            told.append(
                named(each["name"])
                if name == each["name"]
                else say("{name} of {party}", name=named(name), party=named(each["name"]))
            )
    return [f"{', '.join(names)}: {why}" for why, names in found.items()]


def of_run(document: Entry, most: int = 3) -> list[tuple[str, str]]:
    """Row and sentence of the cells that the answer names: the first and the last of each group, `most` together."""
    ranked: dict[str, list[str]] = {}
    for place in document["ranking"]:
        ranked.setdefault(place["group"], []).append(place["cell"])
    chosen: Sequence[str] = [cell for own in ranked.values() for cell in dict.fromkeys((own[0], own[-1]))]
    by_id = {cell["id"]: cell for cell in document["cells"]}
    return [
        (f"{by_id[name]['labels']['row']} ({by_id[name]['group']})", words)
        for name in chosen[:most]
        for words in (limits(by_id[name]), slow(by_id[name]))
        if words
    ]
