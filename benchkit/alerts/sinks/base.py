"""The seam of sinks: options that people write, and an open end that takes notices without ever blocking."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import Observation

Said = Callable[[Notice, Delivered], None]
"""Told what became of a notice, from whatever thread knows it."""
Warn = Callable[[str], None]
"""Told once, in words for people, that a sink does not get through."""


class Sink:
    """An open sink. What it is given it delivers in its own time; it never blocks and never raises."""

    def take(self, notice: Notice) -> None:
        """One notice."""
        raise NotImplementedError

    def show(self, observations: Iterable[Observation], firing: Sequence[Notice]) -> None:
        """What was observed, and what fires: for sinks that show more than notices."""

    def close(self, timeout_s: float) -> None:
        """Deliver what is left, for so long at the most, and let go of everything."""


class SinkOptions(BaseModel):
    """Where notices go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    """The name by which a scenario asks for it."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Modules of third parties that must be importable before it is used."""
    install: ClassVar[str] = ""
    """The command that installs them, for people."""

    @abstractmethod
    def open(self, said: Said, warn: Warn) -> Sink:
        """Ready to take notices; raises BenchkitError where that can be known to be impossible."""
