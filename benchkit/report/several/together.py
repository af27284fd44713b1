"""What a report over several runs says, before it is a page or a document; the first run is the base."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from benchkit.analysis import changes
from benchkit.analysis.compare import Difference, compare
from benchkit.analysis.unlike import NOT_PAIRED, unlike
from benchkit.records.shelf import Left
from benchkit.report.charts import forest
from benchkit.report.charts.between import between
from benchkit.report.charts.gallery import Chart
from benchkit.report.excerpt import excerpt
from benchkit.report.several.ran import Entry, Ran, shown_path
from benchkit.report.several.series import Series, drawn, series
from benchkit.report.several.side import MOST_SENTENCES, Part, alone, parts, sentence

MOST_FORESTS: Final = 8
MOST_TRENDS: Final = 6
FEWEST_OF_A_TREND: Final = 3
"""Two runs are a difference; the forest shows it with an interval."""


@dataclass(frozen=True, slots=True)
class Together:
    """A whole report over several runs."""

    runs: tuple[Ran, ...]
    lead: tuple[str, ...]
    """The answer: three sentences at most."""
    unlike: tuple[str, ...]
    alone: tuple[str, ...]
    parts: tuple[Part, ...]
    series: tuple[Series, ...]
    charts: tuple[tuple[str, Chart], ...]
    left: tuple[Left, ...]
    commands: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the page is called."""
        names = list(dict.fromkeys(ran.scenario for ran in self.runs))
        return f"{len(self.runs)} runs of {names[0]}" if len(names) == 1 else f"{len(self.runs)} runs"


def together(runs: Sequence[Ran], left: Sequence[Left] = ()) -> Together:
    """The report on at least two runs."""
    documents = [ran.document for ran in runs]
    found = compare(documents)
    lines = tuple(series(runs))
    said = tuple(excerpt(each, 700) for each in unlike(documents))
    names = [shown_path(ran.path) for ran in runs]
    return Together(
        runs=tuple(runs),
        lead=tuple(_lead(documents, found, said)),
        unlike=said,
        alone=tuple(alone(documents)),
        parts=parts(documents, found),
        series=lines,
        charts=tuple(_charts(documents, found, lines)),
        left=tuple(left),
        commands=(shlex.join(["benchkit", "compare", *names]), shlex.join(["benchkit", "report", *names])),
        differences=tuple(found),
        notes=(INTERVALS, *history_notes(lines)),
    )


INTERVALS: Final = (
    "In brackets: behind a p50 its 95% interval; behind a ratio that of the ratio to run 1, from block medians "
    "(Welch), widened for the number of cells (Holm). Below 1x is faster."
)


def _lead(documents: Sequence[Entry], found: Sequence[Difference], said: Sequence[str]) -> Iterator[str]:
    """One sentence a later run, then how far that can be trusted."""
    later = range(2, len(documents) + 1)
    told = [sentence(number, found, documents) for number in later]
    room = MOST_SENTENCES - 1
    if len(told) > room:
        yield told[0]
        yield f"{told[-1]} What stands between them is in the table."
    else:
        yield from told
    yield f"{said[0]} {NOT_PAIRED}" if said else NOT_PAIRED


def _charts(
    documents: Sequence[Entry], found: Sequence[Difference], lines: Sequence[Series]
) -> Iterator[tuple[str, Chart]]:
    room = MOST_FORESTS
    for number in range(2, len(documents) + 1):
        for at, drawing in enumerate(islice(between(number, documents, found), room), 1):
            room -= 1
            yield f"run-{number}-{at}", Chart("against-run-1", drawing.words, partial(forest.draw, drawing))
    room = MOST_TRENDS
    for at, line in enumerate(lines, 1):
        if len(line.runs) >= FEWEST_OF_A_TREND:
            for number, chart in enumerate(drawn(line, room), 1):
                room -= 1
                yield f"trend-{at}-{number}", chart


def history_notes(lines: Sequence[Series]) -> Iterator[str]:
    """What the marks of a trend mean, or why there are none."""
    long = [line for line in lines if len(line.runs) >= changes.FEWEST_RUNS]
    if not long:
        return
    if changes.available():
        yield (
            "Changes are looked for by E-divisive among the valid runs of one scenario on one machine: at most "
            f"two in a hundred cells that never changed show one; a level is at least {changes.SHORTEST} runs long."
        )
    else:
        yield f"Changes for good are not looked for: {changes.install_hint()}"


def as_document(told: Together) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    return {
        "schema": "benchkit.several/1",
        "runs": [
            {
                "number": ran.number, "path": str(ran.path), "scenario": ran.scenario,
                "started_utc": str(ran.document["started_utc"]),
                "fingerprint": str(ran.document["environment"].get("fingerprint") or ""),
                "quick": bool(ran.document.get("quick")), "cells": len(ran.document["cells"]), "valid": ran.valid,
            }
            for ran in told.runs
        ],
        "answer": list(told.lead),
        "unlike": list(told.unlike),
        "differences": [asdict(each) for each in told.differences],
        "left_out": [asdict(each) for each in told.left],
    }  # fmt: skip
