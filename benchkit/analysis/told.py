"""What a cell's stages told of its blocks, all workers and blocks together.

Counts are summed. Of spreads, `count` is summed, `min` and `max` are those of all, and the rest are means weighted
with the counts, as those of a link are (analysis.link).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.analysis.goodput_words import show_share
from benchkit.records.run import Block
from benchkit.words import say

Spread = Mapping[str, float]


def as_document(blocks: Sequence[Block]) -> dict[str, float | dict[str, float]]:
    """Of run.json: numbers by name; nothing where no stage told anything."""
    counts: dict[str, float] = {}
    spreads: dict[str, list[Spread]] = {}
    for told in (told for block in blocks for told in block.told.values()):
        for name, value in told.items():
            if isinstance(value, Mapping):
                spreads.setdefault(name, []).append(value)
            else:
                counts[name] = counts.get(name, 0) + value
    return {**counts, **{name: _together(parts) for name, parts in spreads.items()}}


def _together(spreads: Sequence[Spread]) -> dict[str, float]:
    known = [spread for spread in spreads if spread.get("count", 0) > 0]
    count = sum(spread["count"] for spread in known)
    if not count:
        return {"count": 0}
    # A name that one of them does not tell cannot be told of all.
    names = [name for name in known[0] if all(name in spread for spread in known)]
    found = {}
    for name in names:
        values = [spread[name] for spread in known]
        weighted = sum(value * spread["count"] for value, spread in zip(values, known, strict=True)) / count
        found[name] = {"count": count, "min": min(values), "max": max(values)}.get(name, weighted)
    return found


def frames_seen(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each group of run.json's cells in which not every frame that was sent could be decoded."""
    found = []
    for group in dict.fromkeys(cell["group"] for cell in cells):
        own = [cell for cell in cells if cell["group"] == group and _is_video(cell)]
        if any(_decoded_share(cell) < 1 for cell in own):
            found.append(
                say(
                    "{title}: of the frames that were sent, decoded: {each}; without one that it needs, none can be.",
                    title=own[0]["labels"]["group"],
                    each=", ".join(
                        f"{cell['labels']['row']} {show_share(_decoded_share(cell))}" for cell in own
                    ),
                )
            )
    return found


def _is_video(cell: Mapping[str, Any]) -> bool:
    told = cell.get("told", {})
    return cell["validity"]["valid"] and "frames_decoded" in told and bool(cell["account"]["scheduled"])


def _decoded_share(cell: Mapping[str, Any]) -> float:
    # A message that came twice is no second frame.
    return float(min(1.0, cell["told"]["frames_decoded"] / cell["account"]["scheduled"]))
