"""What the index of a folder of runs says, before it is a page or a document."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchkit.analysis.compare import compare
from benchkit.analysis.summary import summary
from benchkit.analysis.unlike import unlike
from benchkit.analysis.words import times
from benchkit.errors import RecordError
from benchkit.records.shelf import Left, Shelf, documents
from benchkit.report.charts.gallery import Chart
from benchkit.report.excerpt import excerpt, short
from benchkit.report.several.ran import Ran, shown_path
from benchkit.report.several.series import Series, drawn, series
from benchkit.report.several.side import Part, alone, parts, sentence
from benchkit.report.several.together import FEWEST_OF_A_TREND, history_notes

MOST_CHARTS: Final = 12
MOST_COMPARISONS: Final = 12
MOST_CELLS: Final = 40
"""Of a comparison; the command shows all of them."""


@dataclass(frozen=True, slots=True)
class LastTwo:
    """The newest run of a series against the one before it."""

    title: str
    base: Ran
    later: Ran
    said: str
    unlike: tuple[str, ...]
    alone: tuple[str, ...]
    parts: tuple[Part, ...]
    more: int
    """Cells that are left to the command."""
    command: str


@dataclass(frozen=True, slots=True)
class Index:
    """A whole index."""

    folder: Path
    runs: tuple[Ran, ...]
    """Newest first."""
    lead: tuple[str, ...]
    series: tuple[Series, ...]
    comparisons: tuple[LastTwo, ...]
    charts: tuple[tuple[str, Chart], ...]
    compared: tuple[Path, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...]
    more: int
    """How many series have no comparison or chart here for want of room."""

    @property
    def broken(self) -> list[Left]:
        """What should be a run and cannot be read."""
        return [each for each in self.left if each.broken]

    @property
    def commands(self) -> list[str]:
        """How to compare and report any of them."""
        where = shown_path(self.folder)
        # The newest two that are alike, where there are such.
        pair = next(((each.base, each.later) for each in self.comparisons), self.runs[1::-1])
        names = [shown_path(ran.path) for ran in pair]
        made = [shlex.join(["benchkit", "report", where, "--all"])]
        if len(names) > 1:
            made = [
                shlex.join(["benchkit", "compare", *names]),
                shlex.join(["benchkit", "report", *names]),
                *made,
            ]
        return made


def index(found: Shelf) -> Index:
    """The index of what lies on the shelf; run.json of one run at a time is in memory, then a summary of it."""
    read, left = _read(found)
    lines = tuple(series(read))
    newest = tuple(
        Ran(at, ran.path, ran.document)
        for at, ran in enumerate(
            sorted(read, key=lambda ran: (str(ran.document["started_utc"]), ran.name), reverse=True), 1
        )
    )
    pairs = [line for line in lines if len(line.runs) > 1]
    return Index(
        folder=found.folder,
        runs=newest,
        lead=tuple(_lead(newest, lines, left)),
        series=lines,
        comparisons=tuple(_last_two(line) for line in pairs[:MOST_COMPARISONS]),
        charts=tuple(_charts(lines)),
        compared=found.compared,
        left=(*left, *found.left),
        notes=tuple(history_notes(lines)),
        more=max(0, len(pairs) - MOST_COMPARISONS),
    )


def _read(found: Shelf) -> tuple[list[Ran], list[Left]]:
    read: list[Ran] = []
    left: list[Left] = []
    for path, document in documents(found.runs):
        if isinstance(document, Left):
            left.append(document)
            continue
        try:
            read.append(Ran(len(read) + 1, path, summary(document, str(path))))
        except RecordError as error:
            left.append(Left(path.name, error.what, error.remedy, broken=True))
    return read, left


def _lead(runs: Sequence[Ran], lines: Sequence[Series], left: Sequence[Left]) -> Iterator[str]:
    if not runs:
        yield "No run here can be read yet."
        return
    newest = runs[0]
    scenarios = len({line.scenario for line in lines})
    machines = len({line.machine for line in lines})
    yield (
        f"{_many(len(runs), 'run')} of {_many(scenarios, 'scenario')} on {_many(machines, 'machine')}; "
        f"the newest is {newest.name}, {newest.when} UTC: {newest.answer}"
    )
    steps = [(line, track, step) for line in lines for track, step in line.steps]
    if steps:
        line, track, step = max(steps, key=lambda each: each[2].when)
        cells = _many(sum(bool(course.steps) for line in lines for course in line.courses), "cell")
        yield (
            f"{cells} changed for good; the last was {short(track.label)} ({short(track.group)}) of {line.title}: "
            f"{times(step.ratio)} as long from {step.at} ({step.when}) on."
        )
    elif any(course.searched for line in lines for course in line.courses):
        yield "No cell changed for good in any series that is long enough to tell."
    broken = sum(each.broken for each in left)
    if broken:
        yield f"{_many(broken, 'run')} cannot be read; why stands below."


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def _last_two(line: Series) -> LastTwo:
    base, later = line.runs[-2:]
    pair = [base.document, later.document]
    found = compare(pair)
    return LastTwo(
        title=line.title,
        base=base,
        later=later,
        said=sentence(2, found, pair).replace(
            "Run 2 against run 1", "The newest run against the one before it"
        ),
        unlike=tuple(excerpt(each, 700) for each in unlike(pair)),
        alone=tuple(alone(pair)),
        parts=parts(pair, found[:MOST_CELLS]),
        more=max(0, len(found) - MOST_CELLS),
        command=shlex.join(["benchkit", "compare", shown_path(base.path), shown_path(later.path)]),
    )


def _charts(lines: Sequence[Series]) -> Iterator[tuple[str, Chart]]:
    """Series in turn, so that no single one takes all the room; `name` says which series it is of."""
    long = [(at, line) for at, line in enumerate(lines, 1) if len(line.runs) >= FEWEST_OF_A_TREND]
    each = max(1, MOST_CHARTS // max(1, len(long)))
    for at, line in long[:MOST_CHARTS]:
        for number, chart in enumerate(drawn(line, each), 1):
            yield f"series-{at}-{number}", chart


def as_document(told: Index) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    return {
        "schema": "benchkit.index/1",
        "runs": [
            {
                "path": str(ran.path), "scenario": ran.scenario, "started_utc": str(ran.document["started_utc"]),
                "fingerprint": str(ran.document["environment"].get("fingerprint") or ""),
                "quick": bool(ran.document.get("quick")), "duration_s": ran.document["duration_s"],
                "cells": len(ran.document["cells"]), "valid": ran.valid, "answer": ran.answer, "report": ran.report,
            }
            for ran in told.runs
        ],
        "changes": [
            {
                "scenario": line.scenario, "fingerprint": line.machine, "cell": course.track.cell, "from": step.at,
                "after": step.after, "ratio": step.ratio,
            }
            for line in told.series for course in line.courses for step in course.steps
        ],
        "left_out": [asdict(each) for each in told.left],
    }  # fmt: skip
