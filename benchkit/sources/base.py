"""The seam: a source makes messages ahead of the measurement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from benchkit.plugins import Plugin, Registry
from benchkit.tensors.message import Arrays


@dataclass(frozen=True, slots=True)
class Item:
    """One message's content, with what is truly known of it (`truth`: the camera's water level, say)."""

    arrays: Arrays
    metadata: bytes = b""
    truth: dict[str, Any] = field(default_factory=dict)


class Source(Plugin):
    """Where messages come from; options are the fields."""

    distinct: int = Field(
        8, ge=0, le=1_000_000,
        description="messages made before the run and then repeated; 0 makes every message anew, ahead of its time",
    )  # fmt: skip

    @abstractmethod
    def label(self) -> str:
        """Short and readable, for tables and cell names: `camera-1920x1080`."""

    @abstractmethod
    def items(self, seed: int) -> Iterator[Item]:
        """Messages in order, equal for equal seeds; may end (a video that is not looped).

        Raises UsageError for a file that is missing or unreadable, when the first item is taken.
        """


registry: Registry[Source] = Registry("benchkit.sources", "source", Source)
