"""Whether the messages went the way that the transport claimed.

What `prepare` claims and what an end says of its live socket, server or segment are compared key by key, where
both speak. An end that says nothing is not simply believed: a transport that claims to need no socket
(family `memory` or `threads`) and whose end connects one while it opens, claims too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchkit.analysis.validity.facts import Facts, Reason, named, reason
from benchkit.records.run import Block

_WITHOUT_SOCKET: Final = frozenset({"memory", "threads"})


def as_claimed(facts: Facts) -> Iterator[Reason]:
    """Each difference once, with the blocks in which it was seen."""
    seen: dict[str, list[int]] = {}
    for block in facts.blocks:
        for difference in dict.fromkeys(_differences(block)):
            seen.setdefault(difference, []).append(block.index)
    for difference, blocks in seen.items():
        yield reason("path-not-as-claimed", f"{difference} ({named(blocks)})")


def _differences(block: Block) -> Iterator[str]:
    for role, found in block.paths.items():
        for key, claimed in block.claimed.items():
            if key in found and found[key] != claimed:
                yield f"{key} {claimed!r} was claimed and {role} uses {found[key]!r}"
        opened = found.get("opened")
        family = block.claimed.get("family")
        if opened and family in _WITHOUT_SOCKET and "family" not in found:
            yield f"family {family!r} was claimed and {role} connected a socket when it opened ({opened})"
