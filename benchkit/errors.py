"""What can go wrong, for people: what happened, where, and the remedy.

::

    BenchkitError                exit code 4: something that the run needs failed
     +-- UsageError              exit code 2: wrong use
     |    +-- ScenarioError      one or more Problems of a scenario, all reported at once
     |    +-- UnknownPlugin      no such transport, codec, source, stage or arrival
     |    +-- MissingLibrary     a plug-in's library is not installed
     |    +-- InputMismatch      a stage cannot take what the source makes
     +-- MessageError            bytes that are not a well-formed message
     |    +-- KlvError           bytes that are no strict KLV packet, with the position
     +-- Rejected                the transport said no to one message
     +-- BrokerError             a broker refused, died or is none
     +-- PartyError              a producer or worker process died or failed
     +-- StageError              a stage could not be opened
     +-- StorageError            a disk, a folder or shared memory could not take it
     +-- RecordError             a run directory that cannot be read
     +-- BuildError              a side of the gate that cannot be built
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class BenchkitError(Exception):
    """The base of all errors; `what` happened, `where`, and the `remedy`."""

    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        remedy = f"\n  remedy: {self.remedy}" if self.remedy else ""
        return f"{where}{self.what}{remedy}"


class UsageError(BenchkitError):
    """Wrong use of a command or a scenario."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `where` is `file:line:column` or `--set ...`, `remedy` says what is allowed."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"\n    {self.remedy}" if self.remedy else "")


class ScenarioError(UsageError):
    """A scenario with mistakes, all of them in `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class UnknownPlugin(UsageError):
    """A name that no installed package registers."""


class MissingLibrary(UsageError):
    """A plug-in whose library is not installed; the remedy is the install command."""


class InputMismatch(UsageError):
    """A stage that cannot take the messages its source makes."""


class MessageError(BenchkitError):
    """Bytes that are not a well-formed message: the one error of every decoder."""


class KlvError(MessageError):
    """Bytes that are no strict KLV packet; `position` is the byte at which that shows (None: not of bytes)."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "", position: int | None = None) -> None:
        super().__init__(
            what, where=where or ("" if position is None else f"KLV byte {position}"), remedy=remedy
        )
        self.position = position


class Rejected(BenchkitError):
    """The transport refused one message; the run goes on and counts it."""


class BrokerError(BenchkitError):
    """A broker that refuses, needs a password, speaks another protocol, or died."""


class PartyError(BenchkitError):
    """A producer or stage worker that died or failed."""


class StageError(BenchkitError):
    """A stage that could not be opened."""


class StorageError(BenchkitError):
    """A disk, folder or shared-memory file system that could not take what was written."""


class RecordError(BenchkitError):
    """A run directory that is missing, damaged or of another schema."""


class BuildError(BenchkitError):
    """A side of the gate that cannot be built."""


# What a party may report to the runner by name.
BY_NAME: dict[str, type[BenchkitError]] = {
    cls.__name__: cls
    for cls in (
        BenchkitError, UsageError, UnknownPlugin, MissingLibrary, InputMismatch, MessageError,
        KlvError, Rejected, BrokerError, PartyError, StageError, StorageError, RecordError,
    )
}  # fmt: skip
