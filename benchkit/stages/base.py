"""The seam: a stage is opened once in each worker and runs batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from benchkit.plugins import Plugin, Registry
from benchkit.tensors.message import Arrays, Message


class OpenStage(ABC):
    """A stage that is ready to run, in one worker."""

    @abstractmethod
    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        """One dict of named arrays per message, in order: the replies.

        The messages' arrays may be read-only views that end with this call. Raises InputMismatch when the
        messages are not what the stage takes; any other exception is counted as the stage's failure.
        """

    def facts(self) -> dict[str, Any]:
        """What was really used (provider, threads, model's digest), for the record."""
        return {}

    def close(self) -> None:
        """Give back what `open` took."""


class Stage(Plugin):
    """What a worker does with a message; options are the fields."""

    deterministic: ClassVar[bool] = True
    """The same input gives the same bits, so replies are checked against a local run."""

    @abstractmethod
    def open(self, seed: int) -> OpenStage:
        """Load what is needed; raises StageError with a remedy.

        `seed` is for whatever is random but the answers: each worker has one of its own, and replies are
        compared with those of a stage that was opened with yet another.
        """


registry: Registry[Stage] = Registry("benchkit.stages", "stage", Stage)
