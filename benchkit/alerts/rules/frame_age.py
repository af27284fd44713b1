"""Frames that are old when they have been worked on."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.alerts.rules.base import Judge, Positive, Rule
from benchkit.alerts.rules.threshold import Beyond
from benchkit.units import Seconds, show_seconds


class FrameAge(Rule):
    """What the pipeline shows is older than `above`, for longer than a moment."""

    kind: ClassVar[str] = "frame-age"

    above: Positive = Field(2.0, description="how old the newest frame that was worked on may be")
    lasting: Seconds = Field(5.0, description="how long it must hold before it is told")

    @property
    def metrics(self) -> frozenset[str]:
        """The age of the newest frame."""
        return frozenset(("benchkit_frame_age_seconds",))

    def judge(self) -> Judge:
        """Compares the last age."""
        return _Age("benchkit_frame_age_seconds", self.above)


class _Age(Beyond):
    def summary(self, value: float) -> str:
        """In words for whoever looks at the pictures."""
        return f"the newest frame that was worked on is {show_seconds(value)} old"
