"""Whether the messages went the way that the transport claimed.

What `prepare` claims and what an end says of its live socket, server or segment are compared key by key, where
both speak. An end that says nothing is not simply believed: a transport that claims to need no socket
(family `memory` or `threads`) and whose end connects one while it opens, claims too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchkit.analysis.link import as_document, differences
from benchkit.analysis.validity.facts import Facts, Reason, blocks_named, reason
from benchkit.records.run import Block
from benchkit.words import say

_CARRIED: Final = 0.9
"""Of the bytes that were delivered so much at least went through a link: a codec's lengths are means."""
_WITHOUT_SOCKET: Final = frozenset({"memory", "threads"})


def as_claimed(facts: Facts) -> Iterator[Reason]:
    """Each difference once, with the blocks in which it was seen."""
    seen: dict[str, list[int]] = {}
    for block in facts.blocks:
        for difference in dict.fromkeys(_differences(block)):
            seen.setdefault(difference, []).append(block.index)
    for difference, blocks in seen.items():
        yield reason("path-not-as-claimed", f"{difference} ({blocks_named(blocks)})")


def link(facts: Facts) -> Iterator[Reason]:
    """Less went through the link than was delivered; or the link did not do what it was asked to do."""
    delivered = {block.index: block.count for block in facts.measure.blocks}
    around = [
        block.index
        for block in facts.blocks
        for seen in block.links
        if max(seen.up.bytes, seen.down.bytes)
        < _CARRIED * delivered.get(block.index, 0) * facts.cell.wire_bytes
    ]
    if around:
        what = say(
            "messages were delivered whose bytes did not go through the link ({which})",
            which=blocks_named(around),
        )
        yield reason("path-not-as-claimed", what)
    found = as_document(facts.cell, facts.blocks)
    for difference in differences(found) if found else ():
        yield reason("link-not-as-asked", difference)


def _differences(block: Block) -> Iterator[str]:
    for role, found in block.paths.items():
        claims = block.hop_claims.get(role, block.claimed)
        for key, claimed in claims.items():
            if key in found and found[key] != claimed:
                yield say(
                    "{key} {claimed!r} was claimed and {role} uses {found!r}",
                    key=key,
                    claimed=claimed,
                    role=role,
                    found=found[key],
                )
        opened = found.get("opened")
        family = claims.get("family")
        if opened and family in _WITHOUT_SOCKET and "family" not in found:
            yield say(
                "family {family!r} was claimed and {role} connected a socket when it opened ({opened})",
                family=family,
                role=role,
                opened=opened,
            )
