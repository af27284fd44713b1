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
    found["crossover"] = [
        {
            "load": "10/s",
            "below_bytes": 65536,
            "winner": "unix raw",
            "other": "shm raw",
            "ratio_ci95": [1.1, 1.4],
        }
    ]
    cell = found["cells"][4]
    cell["verdict"] |= {"kind": "compute-bound", "line": "Compute takes 54% of a message; the stage is busy."}
    cell["ledger"] = {
        "typical": {name: 100.0 * (at + 1) for at, name in enumerate(PHASES)},
        "slow": {name: 300.0 * (at + 1) for at, name in enumerate(PHASES)},
    }
    cell["exemplars"] = [
        {
            "seq": 17,
            "block": 4,
            "latency_us": 3500.0,
            "why": "a collection of garbage of 2.1 ms",
            "phase": "compute",
        }
    ]
    cell["resources"] = [
        {
            "name": "stage-0", "role": "stage", "utilisation": 0.62, "demand_us_per_message": 1550.0,
            "saturates_per_s": 645.0, "runnable_share": None,
        },
        {
            "name": "producer-0", "role": "producer", "utilisation": 0.11, "demand_us_per_message": 320.0,
            "saturates_per_s": 3125.0, "runnable_share": 0.02,
        },
    ]  # fmt: skip
    cell["what_if"] = {
        "predictions": [{"change": "workers=2", "p50_us": 1400.0, "p50_ci95_us": [1300.0, 1500.0]}],
        "sensitivity": [{"phase": "compute", "halved_saves_us": 750.0}],
        "confirmed": [{"change": "workers=2", "predicted_us": 1400.0, "measured_us": 1450.0}],
    }
    cell["profiles"] = {
        "stage-0": {
            "file": "profiles/stage-0.html",
            "slowdown": 1.04,
            "top": [{"frame": "run", "share": 0.7}],
        },
        "operators": [{"name": "Conv", "mean_us": 210.0, "share": 0.4}],
    }
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
    charts = {name: chart.svg(name).inline for each in sections for name, chart in each.charts}
    charts = charts if most_charts > 1 else {name: marked(name) for name in charts}
    folder.mkdir(parents=True)
    kept = [path for path in told.files if path.startswith("profiles/")]
    file = folder / "report.html"
    told = replace(told, sections=sections)
    file.write_text(html(told, charts, commands(found, folder), kept), "utf-8")
    return file


def planted(folder: Path) -> Path:
    """The page of a run with all of that, and one chart of known values a group."""
    run = dam()
    return page_of(run, folder, planted_document(run), most_charts=1)
