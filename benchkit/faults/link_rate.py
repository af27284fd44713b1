"""A link that becomes narrow."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from benchkit.faults.led import Impaired, Passed
from benchkit.link.plan import Impairment
from benchkit.units import BytesPerSecond, show_bytes


class LinkRate(Impaired):
    """Let no more than `rate` cross the link in each direction for `lasting`"""

    kind: ClassVar[str] = "link-rate"

    rate: BytesPerSecond = Field(100_000, gt=0, description="bytes per second")

    def impaired(self, asked: Impairment) -> Impairment:
        """The narrower of the two."""
        own = asked.rate_bytes_per_s or self.rate
        return replace(asked, rate_bytes_per_s=min(own, self.rate), burst_bytes=0)

    def bit(self, passed: Passed) -> str:
        """How long pieces stood in line for the rate."""
        count, mean_us = passed.spread("waited_us")
        if not count or mean_us <= 0:
            return ""
        return (
            f"{passed.name}: {count} pieces waited {mean_us / 1e3:.1f} ms on average for "
            f"{show_bytes(int(self.rate))}/s, {show_bytes(int(passed.more('bytes')))} passed"
        )
