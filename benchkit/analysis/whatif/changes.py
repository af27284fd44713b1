"""The changes that can be asked about, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchkit.records.run import Cell
from benchkit.words import named, say, word

KINDS: Final = ("phase", "transport", "codec", "workers", "batch")
HALVED: Final = ("encode", "send", "transit", "decode", "compute", "reply", "return")
"""Phases that are work and can be halved; lateness, queue and batch are waits that follow from them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a cell."""

    kind: str
    name: str
    """The phase that takes half as long, or what the option becomes."""
    before: str = ""
    """What the option is now."""

    @property
    def key(self) -> str:
        """`compute/2`, `transport=shm`: as trials are named by it."""
        return f"{self.name}/2" if self.kind == "phase" else f"{self.kind}={self.name}"

    @property
    def words(self) -> str:
        """`compute twice as fast`, `transport shm instead of redis-list`."""
        if self.kind == "phase":
            return say("{name} twice as fast", name=named(self.name))
        if self.kind in ("workers", "batch"):
            template = (
                word("{name} workers instead of {before}")
                if self.kind == "workers"
                else word("{name} messages a batch instead of {before}")
            )
            return say(template, name=self.name, before=self.before)
        template = (
            word("transport {name} instead of {before}")
            if self.kind == "transport"
            else word("codec {name} instead of {before}")
        )
        return say(template, name=self.name, before=self.before)


def parse(key: str, cell: Cell) -> Change:
    """The change that a trial of the cell was made with, from its key."""
    kind, _, name = key.partition("=")
    return Change(kind, name, present(cell)[kind])


def present(cell: Cell) -> dict[str, str]:
    """What of the cell can be swapped, as it is now."""
    batch = cell.parameters.get("batch")
    size = batch.get("size", 1) if isinstance(batch, dict) else 1
    return {
        "transport": cell.transport,
        "codec": cell.codec,
        "workers": str(cell.workers),
        "batch": str(size),
    }
