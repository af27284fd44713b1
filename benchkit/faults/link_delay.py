"""A link that becomes slow to answer."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from pydantic import Field

from benchkit.faults.led import Impaired, Passed
from benchkit.link.plan import Impairment
from benchkit.units import Seconds

_SHARE: Final = 0.5
"""Of the delay asked for, that what passed must have had on average at least: some of it entered before."""


class LinkDelay(Impaired):
    """Delay all that crosses the link by `delay` in each direction for `lasting`"""

    kind: ClassVar[str] = "link-delay"

    delay: Seconds = Field(0.1, gt=0, le=60, description="one way, on top of what the link has")

    def impaired(self, asked: Impairment) -> Impairment:
        """So much more."""
        more_ns = int(self.delay * 1e9)
        table = tuple(each + more_ns for each in asked.table_ns)
        return replace(
            asked, delay_ns=asked.delay_ns + more_ns, floor_ns=asked.floor_ns + more_ns, table_ns=table
        )

    def bit(self, passed: Passed) -> str:
        """By how much later than before pieces were handed on."""
        count, mean_us = passed.spread("delay_us")
        usual_us = passed.before["delay_us"].get("mean", 0.0)
        if not count or mean_us - usual_us < _SHARE * self.delay * 1e6:
            return ""
        return (
            f"{passed.name}: {count} pieces were {mean_us / 1e3:.1f} ms under way on average, "
            f"{usual_us / 1e3:.1f} ms before"
        )
