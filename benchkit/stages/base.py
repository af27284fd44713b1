"""The seam: a stage is opened once in each worker and runs batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchkit.plugins import Plugin, Registry
from benchkit.tensors.message import Arrays, Message


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """What one operator of native code took, all its calls together."""

    name: str
    type: str
    calls: int
    total_ns: int


@dataclass(slots=True)
class Operators:
    """What a stage's own profiler says of its native code; filled in by the stage until profiling ends."""

    times: list[OperatorTime] = field(default_factory=list)
    runs: int = 0
    """How many runs of the native code these are from."""
    gap: str = ""
    """Why there is nothing, or not all."""


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

    def told(self) -> Mapping[str, Any]:
        """What this worker's messages showed since it was last asked, in numbers; asked at the end of each block.

        A count stands for itself (`{"frames_lost": 3}`) and is summed over workers and blocks. A spread is a dict of
        `count` and any of `min`, `mean`, `p50`, `p90`, `p99`, `max` (`{"skew_us": {"count": 90, "p50": 12.0}}`). The
        unit stands at the end of the name. Warm-up is in it.
        """
        return {}

    def profiled(self, folder: Path) -> AbstractContextManager[Operators | None]:  # noqa: ARG002  (for those that have native code)
        """Profile native code, which a profiler of Python cannot see into, from entering to leaving.

        Only blocks that are no measurement run within it. `folder` is empty and gone afterwards; what was
        written there is kept with the run, within bounds. What it raises is told as a gap.
        """
        return nullcontext(None)

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
