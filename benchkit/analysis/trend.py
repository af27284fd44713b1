"""The same cell across runs: its p50 with its interval, run after run, and where it changed for good.

Written from the run.json of several runs. Which runs a change lies between is data that comes from outside
(`Changes`): the gate owns the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]
Changes = Mapping[str, Sequence[int]]
"""By cell id, the places (in `Track.points`, from 1) of the points at which something new begins."""


@dataclass(frozen=True, slots=True)
class Point:
    """One cell in one run."""

    run: int
    """Place of the run among those that are lined up, from 0."""
    name: str
    """What the run is called, or where it lies."""
    started_utc: str
    p50_us: float
    interval_us: tuple[float, float] | None
    """95%."""
    count: int
    """Messages."""
    valid: bool
    fingerprint: str
    """Of the machine: points of two machines are not one trend."""
    baseline: bool


@dataclass(frozen=True, slots=True)
class Track:
    """One cell across runs, by the time at which they started."""

    cell: str
    label: str
    group: str
    transport: str
    points: tuple[Point, ...]
    changes: tuple[int, ...] = ()
    """Places in `points` at which a new level begins."""


def trend(
    documents: Sequence[Entry],
    names: Sequence[str] = (),
    *,
    baselines: Iterable[int] = (),
    changes: Changes | None = None,
) -> list[Track]:
    """Cells that at least two runs share, in the order in which they first appear.

    `names` and `baselines` (places from 0) are about `documents`, the run.json of each run, in any order. Cells
    without any message in a run have no point there.
    """
    marked = set(baselines)
    order = sorted(range(len(documents)), key=lambda at: (str(documents[at]["started_utc"]), at))
    found: dict[str, list[Point]] = {}
    first: dict[str, Entry] = {}
    for place, at in enumerate(order):
        name = names[at] if at < len(names) else str(documents[at]["started_utc"])
        for cell in documents[at]["cells"]:
            if cell["latency_us"]["p50"] is not None:
                first.setdefault(cell["id"], cell)
                point = _point(documents[at], cell, place, name, baseline=at in marked)
                found.setdefault(cell["id"], []).append(point)
    known = changes or {}
    return [
        Track(
            name, str(first[name]["labels"]["row"]), str(first[name]["labels"]["group"]),
            str(first[name]["transport"]), tuple(points),
            tuple(sorted({at for at in known.get(name, ()) if 0 < at < len(points)})),
        )
        for name, points in found.items()
        if len(points) > 1
    ]  # fmt: skip


def _point(document: Entry, cell: Entry, place: int, name: str, *, baseline: bool) -> Point:
    latency = cell["latency_us"]
    interval = latency["p50_ci95"]
    return Point(
        run=place,
        name=name,
        started_utc=str(document["started_utc"]),
        p50_us=float(latency["p50"]),
        interval_us=None if interval is None else (interval[0], interval[1]),
        count=int(latency["count"]),
        valid=bool(cell["validity"]["valid"]),
        fingerprint=str(document["environment"].get("fingerprint", "")),
        baseline=baseline,
    )
