"""A fixed number of messages in flight."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.load.base import ClosedArrival
from benchkit.units import Seconds


class Closed(ClosedArrival):
    """The next message is due when a reply frees a place, after `think`: finds the highest throughput."""

    kind: ClassVar[str] = "closed"

    in_flight: int = Field(ge=1, le=1_000_000, description="messages sent and not yet answered")
    think: Seconds = Field(0.0, description="pause between a reply and the next message in its place")

    @property
    def places(self) -> int:
        """How many messages may be in flight."""
        return self.in_flight

    @property
    def think_s(self) -> float:
        """How long a free place waits before its next message is due, in seconds."""
        return self.think

    def label(self) -> str:
        """`closed-4`, or `closed-4-think-5ms`."""
        return f"closed-{self.in_flight}" + (f"-think-{self.think * 1e3:.6g}ms" if self.think else "")
