"""The files of a report over several runs and of an index: each is whole or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchkit.records.shelf import COMPARED
from benchkit.report.charts.drawing import pictures
from benchkit.report.charts.gallery import Chart
from benchkit.report.several.index import Index
from benchkit.report.several.pages import index_html, index_markdown, several_html, several_markdown
from benchkit.report.several.together import Together
from benchkit.report.write import drawing, new_folder, written_to


def home_of(paths: Sequence[Path]) -> Path:
    """Where a report over several runs goes when nobody says: beside the first, by the same name each time."""
    first = _folder(paths[0])
    names = "\0".join(_folder(path).name for path in paths)
    digest = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return first.parent / f"{COMPARED}{first.name[:150]}-{digest}"


def _folder(path: Path) -> Path:
    return (path if path.is_dir() else path.parent).resolve()


def write_several(told: Together, folder: Path) -> list[Path]:
    """report.html, report.md and charts/*.svg, *.png; returns them, the page first. Raises StorageError."""
    return _written(folder, _several(told, folder))


def write_index(told: Index) -> list[Path]:
    """index.html and index.md in the folder that it is about. Raises StorageError."""
    return _written(told.folder, _index(told))


def _written(folder: Path, made: Iterator[tuple[Path, str | bytes]]) -> list[Path]:
    with drawing(folder):
        return [written_to(file, content) for file, content in made]


def _several(told: Together, folder: Path) -> Iterator[tuple[Path, str | bytes]]:
    drawn = pictures(dict(told.charts))
    new_folder(folder / "charts")
    inline = {name: vectors.inline for name, (vectors, _) in drawn.items()}
    yield folder / "report.html", several_html(told, folder, inline)
    yield folder / "report.md", several_markdown(told, folder, _files(told.charts))
    for name, (vectors, png) in drawn.items():
        yield folder / "charts" / f"{name}.svg", vectors.alone
        yield folder / "charts" / f"{name}.png", png


def _files(charts: Sequence[tuple[str, Chart]]) -> Mapping[str, str]:
    return {name: f"charts/{name}.png" for name, _ in charts}


def _index(told: Index) -> Iterator[tuple[Path, str | bytes]]:
    yield (
        told.folder / "index.html",
        index_html(told, {name: chart.svg(name).inline for name, chart in told.charts}),
    )
    yield told.folder / "index.md", index_markdown(told)
