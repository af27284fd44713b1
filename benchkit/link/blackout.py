"""Stretches in which a link delivers nothing, as arithmetic on moments."""

from __future__ import annotations

from collections.abc import Sequence

from benchkit.link.plan import Blackout


def ends_ns(blackouts: Sequence[Blackout], since_start_ns: int) -> int | None:
    """When the blackout that holds this moment is over, None where none does; both from the link's first byte.

    Where several touch or overlap, the end of the last that is reached without a gap.
    """
    moment, found = since_start_ns, None
    while (end := _end(blackouts, moment)) is not None:
        found = moment = end
    return found


def _end(blackouts: Sequence[Blackout], moment_ns: int) -> int | None:
    ends = []
    for blackout in blackouts:
        if moment_ns < blackout.at_ns:
            continue
        rounds = (moment_ns - blackout.at_ns) // blackout.every_ns if blackout.every_ns else 0
        end = blackout.at_ns + rounds * blackout.every_ns + blackout.lasts_ns
        if moment_ns < end:
            ends.append(end)
    return max(ends, default=None)
