"""Runs for other programs: one format, one file.

Formats of messages (`messages` says which) show what happened to single ones. Formats of figures show what came of
cells, promises and comparisons; what they share is in `measures` (numbers) and `findings` (what speaks against a
run). A format is a function `export` from its source to the pieces of a text, or of bytes; it is listed in FORMATS
and imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

from benchkit.errors import UsageError
from benchkit.records.run import Run


@dataclass(frozen=True, slots=True)
class Source:
    """What a format of messages exports."""

    run: Run
    messages: int | None
    """At most so many of each cell; None: all."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a format of figures exports."""

    runs: tuple[Mapping[str, Any], ...] = ()
    """Contents of run.json."""
    comparisons: tuple[Mapping[str, Any], ...] = ()
    """What `benchkit check` made of `--base` (gate.json) or `--baseline`."""
    files: tuple[str, ...] = ()
    """The scenario files, as the repository knows them, one for each run or comparison; or none."""


Export = Callable[[Any], Iterator[str | bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what it is for, and where its function `export` is."""

    name: str
    what: str
    module: str
    of: Literal["messages", "figures"] = "figures"
    function: str = "export"

    def load(self) -> Export:
        """The function."""
        found: Export = getattr(import_module(f"benchkit.report.exports.{self.module}"), self.function)
        return found


FORMATS: Final[Mapping[str, Format]] = {
    each.name: each
    for each in (
        Format("otlp", "spans as OpenTelemetry's collectors take them (OTLP, JSON)", "otlp", "messages"),
        Format("perfetto", "the Trace Event Format of Perfetto and Chrome (JSON)", "perfetto", "messages"),
        Format("pytest-benchmark", "pytest-benchmark's JSON, for its compare", "pytest_benchmark"),
        Format(
            "customSmallerIsBetter", "github-action-benchmark: latencies and costs", "github_action_benchmark",
            function="smaller",
        ),
        Format(
            "customBiggerIsBetter", "github-action-benchmark: throughput", "github_action_benchmark",
            function="bigger",
        ),
        Format("bencher", "Bencher Metric Format (JSON)", "bencher"),
        Format("junit", "JUnit XML: promises and comparisons as test cases", "junit"),
        Format("sarif", "SARIF 2.1.0: what was found, for code scanning", "sarif"),
        Format("csv", "one figure a line", "csv_table"),
        Format("parquet", "the same as columns (needs pyarrow)", "parquet"),
        Format("openmetrics", "OpenMetrics text, for Prometheus", "openmetrics"),
        Format("markdown", "for a pull request's comment or a step's summary", "pull_request"),
        Format("github", "GitHub's annotations, for standard output", "github"),
    )
}  # fmt: skip


def format_named(name: str) -> Format:
    """The format of that name; raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}", remedy=f"known: {', '.join(FORMATS)}")
    return FORMATS[name]
