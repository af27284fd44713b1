"""A link that loses datagrams."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from benchkit.faults.led import Impaired, Passed
from benchkit.link.plan import Impairment
from benchkit.transports.base import Transport


class LinkLoss(Impaired):
    """Lose a share of the datagrams that cross the link for `lasting`"""

    kind: ClassVar[str] = "link-loss"

    loss: float = Field(0.2, gt=0, le=0.9, description="share that is lost")

    def impaired(self, asked: Impairment) -> Impairment:
        """One by one."""
        return replace(asked, loss=max(asked.loss, self.loss), loss_burst=1.0 if self.loss <= 0.5 else 10.0)

    def refuses(self, transport: Transport) -> str:
        """A stream loses nothing: TCP repeats what the network lost, which is a delay."""
        if reason := super().refuses(transport):
            return reason
        if not transport.capabilities().datagrams:
            return f"{transport.kind} goes over TCP, which repeats what is lost: use link-delay or link-rate"
        return ""

    def bit(self, passed: Passed) -> str:
        """How many."""
        lost, entered = int(passed.more("lost")), int(passed.more("packets"))
        return f"{passed.name}: {lost} of {entered} datagrams lost" if lost else ""
