"""What a cell's results were worth when they came: freshness and backlog, in one pass over its samples."""

from __future__ import annotations

from typing import Any

from benchkit.analysis import bulk, freshness
from benchkit.analysis.bulk import Bulk
from benchkit.analysis.freshness import FREEZE_NS, Deadline, Freshness
from benchkit.analysis.measure import Measure
from benchkit.analysis.results import results
from benchkit.records.samples import Samples


def live(
    samples: Samples, deadline: Deadline | None = None, freeze_ns: int = FREEZE_NS
) -> tuple[Freshness, Bulk | None]:
    """Of one cell's samples (shape (n,), dtype SAMPLE); no backlog where nothing was due in any measured part."""
    fresh, work = freshness.Tally(len(samples), deadline, freeze_ns), bulk.Tally()
    for block in results(samples):
        fresh.add(block)
        work.add(block)
    return fresh.found(), work.found()


def as_fields(fresh: Freshness, work: Bulk | None, figures: Measure) -> dict[str, Any]:
    """The `freshness` and the `bulk` of a cell of run.json."""
    return {
        "freshness": freshness.as_document(fresh, figures.latency, figures.span_ns),
        "bulk": bulk.as_document(work, figures.latency) if work else None,
    }
