"""What links were asked and what they did, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.units import show_bytes, show_us

Entry = Mapping[str, Any]


def in_words(link: Entry) -> Iterator[str]:
    """A line for each side and direction: `up: delay p50 10.1 ms (asked 10.0 ms), ...`."""
    for side, done in link["achieved"].items():
        for way in ("up", "down"):
            facts = list(_facts(link["asked"][way], done[way]))
            if facts:
                yield f"{side}, {way}: {', '.join(facts)}"


def _facts(asked: Entry, done: Entry) -> Iterator[str]:
    delay = done["delay_us"]
    for name in ("p50", "p99") if delay else ():
        title = "delay p50" if name == "p50" else name
        yield f"{title} {show_us(delay[name])} (asked {show_us(asked['delay_us'][name])})"
    if asked["rate_bytes_per_s"]:
        wanted, rate = asked["rate_bytes_per_s"], done["rate_bytes_per_s"]
        full = "never full" if rate is None else f"{show_bytes(rate)}/s when full"
        busy = done["utilisation"] or 0.0
        yield f"{full} (asked {show_bytes(wanted)}/s), busy {min(busy, 1.0):.0%}"
    if done["lost"]:
        yield f"{done['lost']} of {done['packets']} packets lost"
    if done["blacked_out"]:
        yield f"{done['blacked_out']} pieces met a blackout"
    if asked["not_applied"]:
        yield f"no {', '.join(asked['not_applied'])}: TCP hides it"


def link_lines(cells: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Of cells of run.json: the row's label with the link's name, and what that link did."""
    for cell in cells:
        link = cell.get("link")
        if link:
            for line in in_words(link):
                yield f"{cell['labels']['row']} ({link['name']})", line
