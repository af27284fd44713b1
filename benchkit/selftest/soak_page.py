"""A soak as a page of Markdown to keep: a pure function of what was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from benchkit.selftest import machine
from benchkit.selftest.soak import Found

PAGE: Final = "soak.md"
SUMMARY: Final = "soak.json"
_WORDS: Final = {True: "holds", False: "BROKEN", None: "not told"}
_COLUMNS: Final = ("rss_bytes", "anonymous_bytes", "pss_bytes")


def page(found: Found) -> str:
    """All of it, ends with a newline."""
    return "\n".join(_lines(found.plain())) + "\n"


def lines(found: Found) -> Iterator[str]:
    """For a terminal: a line a bar."""
    for bar in found.bars:
        yield f"{_WORDS[bar.holds]:8} {bar.name}: {bar.reached}"


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield from (f"# {told['measured_s'] / 60:.0f} minutes under load", "")
    yield f"{told['started_utc']}, {machine.told(told['machine'])}; `{told['cell']}`,"
    yield f"{told['blocks']} blocks, {told['account']['scheduled']} messages and {told['warmup_messages']} of warm-up"
    if told["interrupted"]:
        yield "**Interrupted before its time was up.**"
    if told["resumed"]:
        yield f"**Its runner died and was taken up again {told['resumed']} times.**"
    yield ""
    yield from (f"- {_WORDS[bar['holds']]}: {bar['name']}: {bar['reached']}" for bar in told["bars"])
    yield from (
        "",
        "| process | resident MB/h | of no file MB/h | its part of what is shared MB/h | resident, first, last MB |",
    )
    yield "| --- | --- | --- | --- | --- |"
    for name, kept in told["growth"].items():
        slopes = " | ".join(_slope(kept["memory"].get(column)) for column in _COLUMNS)
        rss = kept["memory"].get("rss_bytes")
        ends = f"{rss['first'] / 1e6:.1f}, {rss['last'] / 1e6:.1f}" if rss else "-"
        yield f"| {name} | {slopes} | {ends} |"
    yield from (
        "",
        "Slopes by Theil and Sen over windows of blocks, with 95% intervals. The first two are judged:",
    )
    yield "flat is an interval that holds 0 or lies under 1 MB/h. The third changes with other programs too."


def _slope(slope: dict[str, Any] | None) -> str:
    if slope is None:
        return "-"
    low, high = (bound / 1e6 for bound in slope["per_hour_ci95"])
    return f"{slope['per_hour'] / 1e6:+.2f} [{low:.2f}, {high:.2f}]"
