"""A run for other programs: one format, one file; what formats share is in `messages`.

A format is a function from a Source to the pieces of a text, so that a long run is never a text in memory; it
is listed in FORMATS and imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from benchkit.errors import UsageError
from benchkit.records.run import Run


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported."""

    run: Run
    messages: int | None
    """At most so many of each cell; None: all."""


Export = Callable[[Source], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what it is for, and where its function `export` is."""

    name: str
    what: str
    module: str

    def load(self) -> Export:
        """The function."""
        found: Export = import_module(self.module).export
        return found


FORMATS: Final[Mapping[str, Format]] = {
    each.name: each
    for each in (
        Format(
            "otlp",
            "spans as OpenTelemetry's collectors take them (OTLP, JSON)",
            "benchkit.report.exports.otlp",
        ),
        Format(
            "perfetto",
            "the Trace Event Format of Perfetto and Chrome (JSON)",
            "benchkit.report.exports.perfetto",
        ),
    )
}


def format_named(name: str) -> Format:
    """The format of that name; raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}", remedy=f"known: {', '.join(FORMATS)}")
    return FORMATS[name]
