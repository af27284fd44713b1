"""What links were asked and what they did, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]


def in_words(link: Entry) -> Iterator[str]:
    """A line for each side and direction: `up: delay p50 10.1 ms (asked 10.0 ms), ...`."""
    for side, done in link["achieved"].items():
        for way in ("up", "down"):
            facts = list(_facts(link["asked"][way], done[way]))
            if facts:
                yield f"{named(side)}, {named(way)}: {', '.join(facts)}"


def _facts(asked: Entry, done: Entry) -> Iterator[str]:
    delay = done["delay_us"]
    for name in ("p50", "p99") if delay else ():
        title = say("delay p50") if name == "p50" else name
        yield say(
            "{title} {delay} (asked {delay_us})",
            title=title,
            delay=show_us(delay[name]),
            delay_us=show_us(asked["delay_us"][name]),
        )
    if asked["rate_bytes_per_s"]:
        wanted, rate = asked["rate_bytes_per_s"], done["rate_bytes_per_s"]
        full = say("never full") if rate is None else say("{rate}/s when full", rate=show_bytes(rate))
        busy = done["utilisation"] or 0.0
        yield say(
            "{full} (asked {wanted}/s), busy {busy:.0%}",
            full=full,
            wanted=show_bytes(wanted),
            busy=min(busy, 1.0),
        )
    if done["lost"] or asked.get("loss"):
        yield say("{lost} of {packets} packets lost", lost=done["lost"], packets=done["packets"]) + (
            say(" (asked {loss:.2%})", loss=asked["loss"]) if asked.get("loss") else ""
        )
    if done["overflowed"]:
        yield say("{overflowed} dropped for want of room", overflowed=done["overflowed"])
    if done["blacked_out"]:
        yield say("{blacked_out} pieces met a blackout", blacked_out=done["blacked_out"])
    if asked["not_applied"]:
        yield say("no {not_applied}: TCP hides it", not_applied=", ".join(asked["not_applied"]))


def link_lines(cells: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Of cells of run.json: the row's label with the link's name, and what that link did."""
    for cell in cells:
        link = cell.get("link")
        if link:
            for line in in_words(link):
                yield f"{cell['labels']['row']} ({link['name']})", line
