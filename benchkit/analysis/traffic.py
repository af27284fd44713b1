"""What traffic control did to a cell's messages, all blocks together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchkit.records.run import Block, Cell
from benchkit.records.seen import Traffic
from benchkit.words import say

REFUSED: Final = "refused"
BY_ITSELF: Final = "transport"
"""What a transport drops nobody asked it to drop."""
_SUMS: Final = ("retries", "timed_out", "refused", "late")


def drops(blocks: Sequence[Block]) -> dict[str, int]:
    """Dropped messages by what dropped them, warm-up included, the most frequent first."""
    found: Counter[str] = Counter()
    for traffic in _told(blocks):
        found.update(traffic.drops)
    return {name: count for name, count in found.most_common() if count}


def shed(cell: Cell, blocks: Sequence[Block]) -> dict[str, int]:
    """Messages that were dropped or refused because the scenario asks for it, by what did; none where it does not.

    Where nothing is tried again, a full server's refusal (`refused`) is the end of a message: it is then among the
    account's rejected ones.
    """
    found = {name: count for name, count in drops(blocks).items() if name != BY_ITSELF}
    refused = sum(traffic.refused for traffic in _told(blocks))
    if refused and not _flow(cell).get("retry"):
        found[REFUSED] = refused
    return found


def as_document(cell: Cell, blocks: Sequence[Block]) -> dict[str, Any] | None:
    """The `traffic` of a cell of run.json; None where no traffic was controlled."""
    told = _told(blocks)
    if not told:
        return None
    return {
        "policy": _flow(cell).get("policy", "block"),
        "drops": drops(blocks),
        **{name: sum(getattr(each, name) for each in told) for name in _SUMS},
        "waited_most": max(each.waited_most for each in told),
        "limit": _limit([each.limit for each in told if each.limit]),
    }


def held_back_by(cell: Cell) -> str:
    """The limits that may keep a message in its producer's queue, in words; empty where there are none."""
    flow = _flow(cell)
    limits = []
    if flow.get("credits"):
        limits.append(say("at most {credits} in flight", credits=flow["credits"]))
    if flow.get("rate"):
        limits.append(say("at most {rate:.6g}/s", rate=flow["rate"]))
    return ", ".join(limits)


def _flow(cell: Cell) -> Mapping[str, Any]:
    return cell.parameters.get("flow") or {}


def _told(blocks: Sequence[Block]) -> list[Traffic]:
    return [block.traffic for block in blocks if block.traffic is not None]


def _limit(told: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    if not told:
        return None
    means = {name: sum(each[name] for each in told) / len(told) for name in ("mean", "last")}
    return {"least": min(each["least"] for each in told), **means}
