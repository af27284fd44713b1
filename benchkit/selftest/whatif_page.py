"""What-if held against truth, as a page of Markdown to keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from benchkit.selftest import machine
from benchkit.selftest.whatif import Found

PAGE: Final = "what-if.md"


def page(found: Found) -> str:
    """All of it, ends with a newline; the machine and the load are those of this moment."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Found) -> Iterator[str]:
    yield from ("# Predictions and slopes beside the changes really made", "")
    day = datetime.now(UTC).date().isoformat()
    yield f"{day}, {machine.told(machine.machine())}, load average {os.getloadavg()[1]:.1f} at the end"
    yield from (
        "",
        "| what | now /s | predicted /s | measured /s | off by |",
        "| --- | ---: | ---: | ---: | ---: |",
    )
    for each in found.compared:
        off = each.predicted / each.measured - 1
        rates = f"{each.now:.0f} | {each.predicted:.0f} | {each.measured:.0f}"
        yield f"| {each.family}: {each.what} | {rates} | {off:+.1%} |"
    yield from ("", "| time per message over time added to a phase | truth | slope | 95% interval | |")
    yield "| --- | ---: | ---: | ---: | --- |"
    for one in found.sloped:
        interval = f"{one.low:.2f} to {one.high:.2f}"
        missed = "" if one.holds else "missed"
        yield f"| {one.family}: {one.what} | {one.truth:g} | {one.value:.2f} | {interval} | {missed} |"
    yield ""
    yield from (f"- not compared: {why}" for why in found.missing)
    yield from (f"- {line}" for line in found.bars())
