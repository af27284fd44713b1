"""Runs of one scenario on one machine, in the order of time: a trend for each cell, and where it changed for good."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from benchkit.analysis import changes
from benchkit.analysis.trend import Point, Track, trend
from benchkit.analysis.unlike import kind_of
from benchkit.analysis.words import times
from benchkit.report.charts.gallery import Chart, trend_charts
from benchkit.report.charts.trends import MOST_TRACKS
from benchkit.report.excerpt import excerpt, short
from benchkit.report.several.ran import Ran
from benchkit.units import show_us

MOST_RUNS: Final = 60
"""The newest of a series are drawn and searched for change points."""


@dataclass(frozen=True, slots=True)
class Step:
    """A level that ended and the one that began."""

    after: str
    """Name of the last run of the old level."""
    at: str
    """Name of the first run of the new one."""
    when: str
    ratio: float
    """New median over old."""


@dataclass(frozen=True, slots=True)
class Course:
    """One cell across the runs of a series."""

    track: Track
    searched: bool
    """Enough valid runs, and the library there."""
    steps: tuple[Step, ...]

    @property
    def valid(self) -> list[Point]:
        """The points that may be compared."""
        return [point for point in self.track.points if point.valid]

    @property
    def says(self) -> str:
        """What became of the cell, in words."""
        if not self.searched:
            few = len(self.valid) < changes.FEWEST_RUNS
            return (
                f"{len(self.valid)} valid runs: {changes.FEWEST_RUNS} are needed to look for changes"
                if few
                else "not looked for"
            )
        told = (f"{times(step.ratio)} from {step.at} ({step.when}) on" for step in self.steps)
        return excerpt("; ".join(told), 500) or "no change found"


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that may stand in one trend."""

    scenario: str
    machine: str
    computer: str
    quick: bool
    runs: tuple[Ran, ...]
    """Oldest first."""
    courses: tuple[Course, ...]

    @property
    def title(self) -> str:
        """What tells it from others."""
        return f"{self.scenario} on {self.machine}" + (", quick runs" if self.quick else "")

    @property
    def steps(self) -> list[tuple[Track, Step]]:
        """Cells and their changes."""
        return [(course.track, step) for course in self.courses for step in course.steps]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """A row for each cell, as a table shows them."""
        return [_row(course) for course in self.courses]


def series(runs: Sequence[Ran]) -> list[Series]:
    """Runs by scenario, machine and whether they were quick; those with the newest run first."""
    kinds: dict[tuple[str, str, bool], list[Ran]] = {}
    for ran in sorted(runs, key=lambda ran: (str(ran.document["started_utc"]), ran.name)):
        kinds.setdefault(kind_of(ran.document), []).append(ran)
    found = [_series(own) for own in kinds.values()]
    return sorted(found, key=lambda each: str(each.runs[-1].document["started_utc"]), reverse=True)


def _series(own: Sequence[Ran]) -> Series:
    last, newest = own[-1], own[-MOST_RUNS:]
    tracks = trend([ran.document for ran in newest], [ran.name for ran in newest])
    return Series(
        last.scenario, last.machine, last.computer, bool(last.document.get("quick")), tuple(own),
        tuple(_course(track) for track in tracks),
    )  # fmt: skip


def _course(track: Track) -> Course:
    """Change points are looked for among valid points alone; the others stay where they are."""
    places = [at for at, point in enumerate(track.points) if point.valid]
    if len(places) < changes.FEWEST_RUNS or not changes.available():
        return Course(track, searched=False, steps=())
    cuts = changes.change_points([track.points[at].p50_us for at in places])
    bounds = (0, *cuts, len(places))
    levels = [
        median(track.points[at].p50_us for at in places[begin:end])
        for begin, end in itertools.pairwise(bounds)
    ]
    steps = tuple(
        _step(
            track.points[places[cut - 1]], track.points[places[cut]], levels[at + 1] / max(levels[at], 1e-9)
        )
        for at, cut in enumerate(cuts)
    )
    return Course(replace(track, changes=tuple(places[cut] for cut in cuts)), searched=True, steps=steps)


def _step(before: Point, after: Point, ratio: float) -> Step:
    return Step(before.name, after.name, short(after.started_utc[:16].replace("T", " "), 16), ratio)


def drawn(found: Series, most: int) -> Iterator[Chart]:
    """Trends of a series, the cells of one group beneath each other, `most` charts at most; changed cells first."""
    groups: dict[str, list[Track]] = {}
    for course in sorted(found.courses, key=lambda course: not course.steps):
        groups.setdefault(course.track.group, []).append(course.track)
    many = [
        (group, tracks[at : at + MOST_TRACKS])
        for group, tracks in groups.items()
        for at in range(0, len(tracks), MOST_TRACKS)
    ]
    for group, tracks in many[:most]:
        yield from trend_charts(f"{found.title}: {short(group)}", tracks)


def _row(course: Course) -> Mapping[str, Any]:
    points = course.track.points
    return {
        "cell": course.track.label,
        "group": course.track.group,
        "runs": len(points),
        "first": show_us(points[0].p50_us),
        "last": show_us(points[-1].p50_us),
        "lowest": show_us(min(point.p50_us for point in points)),
        "highest": show_us(max(point.p50_us for point in points)),
        "changes": course.says,
    }
