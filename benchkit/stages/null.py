"""A stage that costs nothing: what remains is the transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchkit.stages.base import OpenStage, Stage
from benchkit.tensors.message import Arrays, Message


class Null(Stage):
    """Replies with nothing at once: what remains is the transport."""

    kind: ClassVar[str] = "null"

    def open(self, seed: int) -> OpenStage:  # noqa: ARG002  (nothing here is random)
        """Takes nothing."""
        return _Open()


class _Open(OpenStage):
    __slots__ = ()

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        return [{} for _ in batch]
