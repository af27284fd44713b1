"""A cell's link: what it was asked to do and what it did, side by side, over all blocks of the cell.

Quantiles are means of the blocks', each weighted with what passed in it; the largest is the largest of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

from benchkit.records.run import Block, Cell
from benchkit.records.seen import LinkSeen, LinkWay
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say

DELAY_TOLERATED_US: Final = 1000.0
DELAY_TOLERATED: Final = 0.05
RATE_TOLERATED: Final = 0.03
"""How far what a link did may be from what was asked: the delay by a millisecond or a twentieth, the rate by 3%."""
_COMPARED: Final = ("p50", "p90")
_CHANCE: Final = 6.0
"""Three standard errors of a 90th percentile, in those of a mean; 5.1 where delays are normal."""
_COUNTS: Final = ("bytes", "packets", "lost", "overflowed", "duplicated", "reordered", "blacked_out")
WAYS: Final = ("up", "down")
_THERE: Final = {"producer": (("producer", "up"),), "stage": (("stage", "down"),)}
_THERE_OF: Final = {**_THERE, "both": (*_THERE["producer"], *_THERE["stage"])}
"""By `side`: the directions that a message passes; its reply passes the opposite ones."""


@dataclass(frozen=True, slots=True)
class Burden:
    """What a link costs a message on its way; 0 where there is none."""

    transmission_us: float = 0.0
    """Its bytes at the rate of the slowest direction that limits one."""
    busy_share: float = 0.0
    """Of the time for which the link was open, that for which the busiest of those directions had something to do."""
    delay_us: float = 0.0
    """Mean of the added delays, one way, all directions that it passes together."""
    back_us: float = 0.0
    """The same of its reply."""


NO_BURDEN: Final = Burden()


def burden(cell: Cell, blocks: Sequence[Block]) -> Burden:
    """Of one message of a cell, headers of protocols left out."""
    if cell.link is None:
        return NO_BURDEN
    there = _THERE_OF[cell.link["side"]]
    back = [(side, "down" if way == "up" else "up") for side, way in there]
    achieved = {side: _achieved(seen) for side, seen in _by_side(blocks).items()}
    rates = [rate for side, way in there if (rate := _rate(cell.link[way], achieved.get(side, {}).get(way)))]
    limited = [
        achieved[side][way]["utilisation"] or 0.0
        for side, way in there
        if side in achieved and cell.link[way]["rate_bytes_per_s"]
    ]
    return Burden(
        cell.wire_bytes / min(rates) * 1e6 if rates else 0.0,
        min(1.0, max(limited, default=0.0)),
        sum(cell.link[way]["delay_us"]["mean"] for _, way in there),
        sum(cell.link[way]["delay_us"]["mean"] for _, way in back),
    )


def _rate(asked: Mapping[str, Any], done: Mapping[str, Any] | None) -> float | None:
    """Bytes per second: as it was seen where enough passed to tell, else as it was asked for."""
    wanted: float | None = asked["rate_bytes_per_s"]
    return wanted and ((done or {}).get("rate_bytes_per_s") or wanted)


def as_document(cell: Cell, blocks: Sequence[Block]) -> dict[str, Any] | None:
    """Of run.json: `name`, `side`, `asked` by direction, `achieved` by side and direction; None without a link."""
    if cell.link is None:
        return None
    return {
        "name": cell.link["name"],
        "side": cell.link["side"],
        "asked": {way: cell.link[way] for way in WAYS},
        "achieved": {side: _achieved(seen) for side, seen in _by_side(blocks).items()},
    }


def _by_side(blocks: Sequence[Block]) -> dict[str, list[LinkSeen]]:
    found: dict[str, list[LinkSeen]] = {}
    for block in blocks:
        for seen in block.links:
            found.setdefault(seen.side, []).append(seen)
    return found


def _achieved(seen: Sequence[LinkSeen]) -> dict[str, Any]:
    elapsed_s = sum(each.elapsed_s for each in seen)
    return {
        "connections": sum(each.connections for each in seen),
        "elapsed_s": elapsed_s,
        **{way: _way([getattr(each, way) for each in seen], elapsed_s) for way in WAYS},
    }


def _way(ways: Sequence[LinkWay], elapsed_s: float) -> dict[str, Any]:
    counts = {name: sum(getattr(way, name) for way in ways) for name in _COUNTS}
    busy_s = sum(way.busy_s for way in ways)
    rated = [(way.rate_bytes_per_s, way.busy_s) for way in ways if way.rate_bytes_per_s is not None]
    weight = sum(busy for _, busy in rated)
    return {
        **counts,
        "lost_share": counts["lost"] / counts["packets"] if counts["packets"] else None,
        "delay_us": _together([way.delay_us for way in ways]),
        "waited_us": _together([way.waited_us for way in ways]),
        "utilisation": busy_s / elapsed_s if elapsed_s else None,
        "rate_bytes_per_s": sum(rate * busy for rate, busy in rated) / weight if weight else None,
    }


def _together(spreads: Sequence[Mapping[str, float]]) -> dict[str, float]:
    known = [spread for spread in spreads if spread]
    count = sum(spread["count"] for spread in known)
    if not count:
        return {}
    found = {
        name: sum(spread[name] * spread["count"] for spread in known) / count
        for name in ("mean", "p50", "p90", "p99")
    }
    return {"count": count, **found, "max": max(spread["max"] for spread in known)}


def packets_lost(cell: Cell, blocks: Sequence[Block]) -> int:
    """Datagrams that the blocks' links took away, by chance, in blackouts or for want of room; 0 of a stream."""
    if cell.link is None or not cell.link.get("datagrams"):
        return 0
    ways = [getattr(seen, way) for block in blocks for seen in block.links for way in WAYS]
    return sum(way.lost + way.overflowed + way.blacked_out for way in ways)


def differences(link: Mapping[str, Any]) -> Iterator[str]:
    """In words, where a link of `as_document` did not what it was asked to do."""
    for side, done in link["achieved"].items():
        for way in WAYS:
            asked, got = link["asked"][way], done[way]
            yield from _of_delay(side, way, asked, got["delay_us"])
            wanted, rate = asked["rate_bytes_per_s"], got["rate_bytes_per_s"]
            if wanted and rate and abs(rate / wanted - 1) > RATE_TOLERATED:
                yield (
                    say(
                        "the {side}'s link was asked for {wanted}/s {way} and let {rate}/s pass",
                        side=named(side),
                        wanted=show_bytes(wanted),
                        way=named(way),
                        rate=show_bytes(rate),
                    )
                )


def _of_delay(side: str, way: str, asked: Mapping[str, Any], got: Mapping[str, float]) -> Iterator[str]:
    for name in _COMPARED if got else ():
        wanted, delay = asked["delay_us"][name], got[name]
        chance = _CHANCE * asked["jitter_us"] / sqrt(got["count"])
        if abs(delay - wanted) > max(DELAY_TOLERATED_US, DELAY_TOLERATED * wanted) + chance:
            yield say(
                "the {side}'s link was asked for a delay {way} of {name} {wanted} and took {delay}",
                side=named(side),
                way=named(way),
                name=name,
                wanted=show_us(wanted),
                delay=show_us(delay),
            )
