"""What traffic control did, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.analysis.validity.facts import percent
from benchkit.words import say

Entry = Mapping[str, Any]


def in_words(cell: Entry) -> str:
    """`dropped 115 of 240 messages (48%): 115 latest-only; ...`; empty where nothing happened."""
    return "; ".join(_facts(cell, cell["traffic"])) if cell.get("traffic") else ""


def _facts(cell: Entry, traffic: Entry) -> Iterator[str]:
    scheduled, dropped = cell["account"]["scheduled"], cell["account"]["dropped"]
    if dropped:
        yield say(
            "dropped {dropped} of {scheduled} messages ({share}): {by}",
            dropped=dropped,
            scheduled=scheduled,
            share=percent(dropped / max(1, scheduled)),
            by=", ".join(f"{count} {name}" for name, count in traffic["drops"].items()),
        )
    if traffic["retries"]:
        yield say("{retries} sent again", retries=traffic["retries"])
    if traffic["timed_out"]:
        yield say("{timed_out} not answered in time", timed_out=traffic["timed_out"])
    if traffic["refused"]:
        yield say("{refused} refused", refused=traffic["refused"])
    if limit := traffic["limit"]:
        yield say(
            "limit in flight {mean:.0f} on average, {least:.0f} at least",
            mean=limit["mean"],
            least=limit["least"],
        )


def traffic_lines(cells: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """Of cells of run.json in which something happened: the row's label, and what."""
    for cell in cells:
        if told := in_words(cell):
            yield str(cell["labels"]["row"]), told
