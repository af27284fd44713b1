"""What a low latency is worth where messages were dropped: a cell that delivered few is no winner without a word.

Written from run.json alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchkit.words import named, say

Entry = Mapping[str, Any]
_ALL: Final = 0.99
"""Who delivered this share is not said to have delivered less than all."""
_MORE: Final = 0.01
_NAMED: Final = 3


def delivered_share(cell: Entry) -> float | None:
    """Of the messages due after warm-up; None where an older benchkit counted none."""
    found = cell.get("freshness")
    share = found.get("delivered_share") if isinstance(found, Mapping) else None
    return float(share) if isinstance(share, int | float) else None


def falls_short(cell: Entry) -> bool:
    """It delivered so few that its latency is that of a part."""
    share = delivered_share(cell)
    return share is not None and share < _ALL


def show_share(share: float) -> str:
    """`52%`, `99.7%`, `100%`; a share below all is never shown as all, one above nothing never as nothing."""
    if share >= 1 or share <= 0 or 0.01 <= share < 0.9:
        return f"{share:.0%}"
    return f"{100 * min(max(share, 1e-4), 0.999):.3g}%"


def drops(cell: Entry) -> dict[str, int]:
    """Messages dropped by what dropped them, the most first; `dropped` where nobody counted by policy."""
    traffic = cell.get("traffic")
    by = traffic.get("drops") if isinstance(traffic, Mapping) else None
    known = {str(name): int(many) for name, many in by.items() if many} if isinstance(by, Mapping) else {}
    if not known and cell["account"]["dropped"]:
        known = {"dropped": int(cell["account"]["dropped"])}
    return dict(sorted(known.items(), key=lambda item: -item[1]))


def ranks_first(cell: Entry, row: str, p50: str) -> str:
    """Instead of "is fastest", for a cell that falls short."""
    return say(
        "{row} ranks first by latency, p50 {p50}, but delivered {share} of its messages{why}",
        row=row, p50=p50, share=show_share(delivered_share(cell) or 0.0), why=_why(cell),
    )  # fmt: skip


def alone(cell: Entry, row: str, p50: str) -> str:
    """The same for a cell without any other to compare it with."""
    return say(
        "{row} takes p50 {p50} for the {share} of its messages that it delivered{why}; there is no other valid cell "
        "to compare it with",
        row=row, p50=p50, share=show_share(delivered_share(cell) or 0.0), why=_why(cell),
    )  # fmt: skip


def _why(cell: Entry) -> str:
    """` (latest-only dropped 197)`; empty where nothing was dropped."""
    why = ", ".join(
        say("{many} dropped", many=many)
        if name == "dropped"
        else say("{name} dropped {many}", name=named(name), many=many)
        for name, many in list(drops(cell).items())[:_NAMED]
    )
    return f" ({why})" if why else ""


def delivered_more(cell: Entry, others: Sequence[tuple[str, Entry]]) -> str:
    """`; of them http raw delivered 100%`: those that delivered more, by label; empty where none did."""
    own = delivered_share(cell) or 0.0
    found = [
        f"{row} {show_share(share)}"
        for row, other in others
        if (share := delivered_share(other)) is not None and share > own + _MORE
    ]
    more = say(" and {count} more", count=len(found) - _NAMED) if len(found) > _NAMED else ""
    return (
        say("; more was delivered by {found}{more}", found=", ".join(found[:_NAMED]), more=more)
        if found
        else ""
    )
