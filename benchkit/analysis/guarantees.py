"""What a cell promises, in words; unlike promises that stand side by side are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.words import say

Entry = Mapping[str, Any]


def durability(guarantee: Entry) -> str:
    """Where messages are held, and what that is worth there: `disk (AOF everysec)`."""
    level = guarantee.get("level")
    return f"{guarantee['durability']} ({level})" if level else str(guarantee["durability"])


def promise(guarantee: Entry) -> str:
    """Delivery and durability; two cells that differ in either are not ranked together silently."""
    return say("{delivery} in {durability}", delivery=guarantee["delivery"], durability=durability(guarantee))


def unlike_promises(documents: Sequence[Entry]) -> Iterator[str]:
    """A sentence for each cell of a later run that promises something else than in the first run that has it."""
    first: dict[str, tuple[int, Entry]] = {}
    for at, document in enumerate(documents, 1):
        for cell in document.get("cells", ()):
            base_at, base = first.setdefault(cell["id"], (at, cell["guarantee"]))
            ours, theirs = promise(base), promise(cell["guarantee"])
            if ours != theirs:
                yield say(
                    "{cell} promised {ours} in run {base}, {theirs} in run {later}: its ratio has the price of that.",
                    cell=cell["id"], ours=ours, base=base_at, theirs=theirs, later=at,
                )  # fmt: skip
