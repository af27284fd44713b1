"""The pages and documents of several runs and of an index; everything from outside is escaped by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from benchkit.report.charts.gallery import Chart
from benchkit.report.excerpt import excerpt, short
from benchkit.report.grid import Axis
from benchkit.report.html import page
from benchkit.report.markdown import Markdown, escape, written
from benchkit.report.plain_table import Table, table
from benchkit.report.several.index import Index
from benchkit.report.several.ran import Ran, charts, link, shown_path
from benchkit.report.several.series import Series
from benchkit.report.several.together import Together

MOST_CARRIED: Final = 300
"""Runs, the newest, whose figures the page carries for comparisons that a reader chooses."""
_MOST_VALUES: Final = 40
Section = tuple[int, Series, list[tuple[str, Chart]], Table | None]


def several_html(told: Together, folder: Path, svg: Mapping[str, str]) -> str:
    """The page of several runs, in `folder`; `svg` are its charts by name."""
    return page(
        "several.html.jinja",
        svg,
        told=told,
        columns=_columns(told),
        links=_links(told.runs, folder),
        pictures={ran.number: charts(ran, folder) for ran in told.runs},
    )


def several_markdown(told: Together, folder: Path, files: Mapping[str, str]) -> str:
    """The document of several runs; `files` are its pictures by the name of their chart."""
    links = _links(told.runs, folder)
    return written(
        "several.md.jinja",
        told=told,
        columns=_columns(told),
        links={ran.number: _link(ran.name, links[ran.number] if ran.report else "") for ran in told.runs},
        files={name: Markdown(path) for name, path in files.items()},
    )


def index_html(told: Index, svg: Mapping[str, str]) -> str:
    """The page of an index, in the folder that it is about."""
    axes = _axes(told.runs)
    return page(
        "index.html.jinja",
        svg,
        "index.js",
        told=told,
        name=_name(told),
        sections=_sections(told),
        links=_links(told.runs, told.folder),
        reports=[link(path / "report.html", told.folder) for path in told.compared],
        axes=axes,
        choices={ran.number: [_place(axis, _axis(ran)[axis.name]) for axis in axes] for ran in told.runs},
        data=_data(told),
        carried=MOST_CARRIED,
    )


def index_markdown(told: Index) -> str:
    """The document of an index."""
    links = _links(told.runs, told.folder)
    return written(
        "index.md.jinja",
        told=told,
        name=_name(told),
        sections=_sections(told),
        links={ran.number: _link("report", links[ran.number]) for ran in told.runs},
    )


def _columns(told: Together) -> list[str]:
    return [f"run {ran.number}" for ran in told.runs]


def _links(runs: Sequence[Ran], folder: Path) -> dict[int, str]:
    return {ran.number: link(ran.path / "report.html", folder) for ran in runs}


def _link(words: str, href: str) -> Markdown:
    """A link, its address percent-encoded already; brackets would end it early."""
    safe = href.replace("(", "%28").replace(")", "%29")
    return Markdown(f"[{escape(words)}]({safe})" if href else escape(words))


def _name(told: Index) -> str:
    return short(told.folder.resolve().name or "/", 90)


def _sections(told: Index) -> list[Section]:
    """The series that have anything to show, each with its charts and its table."""
    found = []
    for at, line in enumerate(told.series, 1):
        if line.courses:
            own = [(name, chart) for name, chart in told.charts if name.startswith(f"series-{at}-")]
            found.append((at, line, own, table(f"Cells across runs: {line.title}", line.rows)))
    return found


def _axis(ran: Ran) -> dict[str, str]:
    return {"scenario": ran.scenario, "machine": ran.machine, "kind": ", ".join(ran.badges) or "full"}


def _axes(runs: Sequence[Ran]) -> list[Axis]:
    """By what runs may be chosen: whatever is not the same in all of them."""
    found: dict[str, dict[str, None]] = {}
    for ran in runs:
        for name, value in _axis(ran).items():
            found.setdefault(name, {})[value] = None
    return [Axis(name, tuple(values)[:_MOST_VALUES]) for name, values in found.items() if len(values) > 1]


def _place(axis: Axis, value: str) -> int:
    return axis.values.index(value) if value in axis.values else -1


def _data(told: Index) -> Markup:
    """The figures of all runs for the page's script: cells are named once, numbers have few digits."""
    cells: dict[tuple[str, str, str], int] = {}
    runs = []
    for ran in told.runs[:MOST_CARRIED]:
        own: list[list[Any]] = []
        for cell in ran.document["cells"]:
            key = (cell["id"], excerpt(cell["labels"]["group"], 100), short(cell["labels"]["row"], 60))
            at = cells.setdefault(key, len(cells))
            latency = cell["latency_us"]
            low, high = latency["p50_ci95"] or (None, None)
            own.append([at, *map(_digits, (latency["p50"], low, high)), int(cell["validity"]["valid"])])
        runs.append(
            {
                "name": ran.name, "path": shown_path(ran.path), "machine": ran.machine, "scenario": ran.scenario,
                "quick": bool(ran.document.get("quick")), "of": own,
            }
        )  # fmt: skip
    # The letters of markup are escaped in it, so no name can end the element that holds it.
    plain = {"cells": [[group, row] for _, group, row in cells], "runs": runs}
    return htmlsafe_json_dumps(plain, separators=(",", ":"), ensure_ascii=True)


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
