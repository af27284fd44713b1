"""Runs that hold little, or more than a synthetic one, and pages of documents with planted parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from synthetic import dam

from benchkit.analysis.document import document
from benchkit.records.run import Run
from benchkit.records.samples import PHASES
from benchkit.report.html import html
from benchkit.report.reproduce import commands
from benchkit.report.story import story


def interrupted() -> Run:
    run = dam()
    run.interrupted = True
    kept = run.cells[0].id
    run.samples = {kept: run.samples[kept]}
    run.blocks = [block for block in run.blocks if block.cell == kept]
    run.cells[2] = replace(
        run.cells[2], skipped="no broker answers at localhost:6379", skipped_remedy="start one"
    )
    run.floor = None
    return run


def planted_document(run: Run) -> dict[str, Any]:
    """run.json with everything that an analysis may add to a cell and to a run."""
    found = document(run)
    found["crossover"][0]["sentences"] = ["camera: unix raw up to 64 kB, shm raw above."]
    found["answer"] = [*found["crossover"][0]["sentences"], *found["answer"]]
    cell = found["cells"][4]
    cell["verdict"] |= {"kind": "compute-bound", "line": "Compute takes 54% of a message; the stage is busy."}
    typical = {name: 100.0 * (at + 1) for at, name in enumerate(PHASES)}
    cell["ledger"] = {
        "typical": {"count": 58, "latency": 5500.0, **typical},
        "slow": {"count": 6, "latency": 9000.0, **typical, "compute": 4500.0, "from_us": 8000.0},
        "words": "Slow messages compute 3.7 ms longer.",
    }
    cell["exemplars"] = [
        {
            "kind": "slowest", "seq": 17, "block": 4, "worker": 0, "at_s": 1.25, "latency_us": 9100.0,
            "phases_us": typical, "meanwhile": ["a collection of garbage of 2.1 ms in stage-0"],
        }
    ]  # fmt: skip
    cell["resources"] = [
        {
            "name": "stage-0", "role": "stage", "servers": 1, "utilisation": 0.62, "demand_us_per_message": 1550.0,
            "demand_is": "wall time", "saturates_per_s": 645.0, "runnable_share": None, "gaps": {"x": "unknown"},
        },
        {
            "name": "producer-0", "role": "producer", "servers": 1, "utilisation": 0.11,
            "demand_us_per_message": 320.0, "saturates_per_s": 3125.0, "runnable_share": 0.02, "gaps": {},
        },
    ]  # fmt: skip
    cell["laws"] = {
        "bottleneck": "stage-0",
        "bound_per_s": 645.0,
        "population": None,
        "little": {"held": True},
    }
    now, change = {"now": 645.0, "predicted": 1290.0, "limited_by": "stage"}, "2 workers instead of 1"
    cell["what_if"] = {
        "now": {"capacity_per_s": 645.0},
        "predictions": [{"kind": "workers", "change": "workers=2", "words": change, "capacity_per_s": now}],
        "sensitivity": [
            {"phase": "compute", "mean_us": 1500.0, "throughput": {"slope": 0.93, "ci95": [0.9, 0.96]}}
        ],
        "confirmed": [
            {
                "change": "workers=2",
                "words": change,
                "capacity_per_s": {**now, "measured": 1200.0, "ci95": [1150.0, 1240.0]},
            }
        ],
        "left_out": ["reply: 12 us, too short to be slowed by 5%"],
    }
    cell["profiles"] = {
        "stage-0": {
            "file": "profiles/stage-0.html", "files": ["profiles/stage-0.html"], "slowdown": 1.04, "gap": "",
            "top": [
                {
                    "phase": "compute", "name": "run", "where": "model.py:3", "share": 0.7, "caller": "",
                    "caller_share": 0.0,
                }
            ],
        },
        "operators": [{"party": "stage-0", "name": "Conv", "type": "Conv", "mean_us": 210.0, "share": 0.4}],
        "native": {"stage-0": {"files": ["profiles/stage-0.ort.json"], "gap": ""}},
        "cost": "under the profiler p50 is 1.04x",
        "gap": "",
    }  # fmt: skip
    return found


def marked(name: str) -> str:
    """A drawing with three values that a reader may point at."""
    marks = "".join(
        f'<g id="{name}-m{at}" class="mark"><title>value {at}: {at}.25 ms &lt;b&gt;</title>'
        f'<rect x="{60 * at}" y="20" width="40" height="30" fill="#0072b2"/></g>'
        for at in (1, 2, 3)
    )
    return f'<svg class="chart" role="img" aria-label="three values" viewBox="0 0 300 80">{marks}</svg>'


def page_of(run: Run, folder: Path, found: dict[str, Any] | None = None, most_charts: int = 99) -> Path:
    """report.html without the pictures beside it, which take as long again."""
    found = found or document(run)
    told = story(run, found)
    sections = tuple(replace(each, charts=each.charts[:most_charts]) for each in told.sections)
    drawn = (*told.overview, *(chart for each in sections for chart in each.charts))
    charts = {name: chart.svg(name).inline for name, chart in drawn}
    charts = charts if most_charts > 1 else {name: marked(name) for name in charts}
    folder.mkdir(parents=True)
    kept = [path for path in told.files if path.startswith("profiles/")]
    file = folder / "report.html"
    told = replace(told, sections=sections, overview=told.overview[:most_charts])
    file.write_text(html(told, charts, commands(found, folder), kept), "utf-8")
    return file


def planted(folder: Path) -> Path:
    """The page of a run with all of that, and one chart of known values a group."""
    run = dam()
    return page_of(run, folder, planted_document(run), most_charts=1)
