"""The files of a report: each is whole or not there."""

from __future__ import annotations

import gc
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from benchkit.analysis.document import document
from benchkit.errors import StorageError
from benchkit.records.run import Run
from benchkit.report.charts.drawing import pictures
from benchkit.report.charts.gallery import Chart
from benchkit.report.charts.scripts import paintable, script
from benchkit.report.html import html
from benchkit.report.markdown import markdown
from benchkit.report.reproduce import commands
from benchkit.report.story import Section, Story, story
from benchkit.words import ENGLISH, say, speaking

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def write(run: Run, folder: Path) -> list[Path]:
    """Write report.html, report.md and charts/*.svg, *.png into `folder`; returns them, the page first.

    Raises StorageError when the disk or folder cannot take them; a file is never left half written.
    """
    found = document(run)
    told = story(run, found)
    how = commands(found, folder.resolve())
    painted = None
    if not paintable():
        told, painted = _unpainted(told), _english(run)
    with drawing(folder):
        return list(_files(told, how, folder, painted))


@contextmanager
def drawing(folder: Path) -> Iterator[None]:
    """Where the files of a report are made for `folder`: raises StorageError when it cannot take them."""
    try:
        with _uncollected():
            yield
    except OSError as error:
        raise StorageError(
            f"the report could not be written: {error.strerror or error}",
            where=str(folder),
            remedy="free some space, or name a folder that can be written with --out",
        ) from error


def _english(run: Run) -> Story:
    """The same in English, for pictures."""
    with speaking(ENGLISH):
        return story(run, document(run))


def _unpainted(told: Story) -> Story:
    """With a word about pictures whose words are in English."""
    other = script()
    said = say(
        "The words in the PNG charts are English: no font for this language was found here. Install one, such as "
        "{package}, and write the report again; the SVG charts and the page have all words.",
        package=other.install if other else "",
    )
    return replace(told, warnings=(*told.warnings, said))


def _files(told: Story, how: tuple[str, ...], folder: Path, painted: Story | None) -> Iterator[Path]:
    """The page first: it is what somebody waits for. `painted` has the charts of the pictures where they differ."""
    stems = {name: f"charts/00-{name}" for name, _ in told.overview}
    stems.update(stem for section in told.sections for stem in _stems(section))
    drawn = pictures(_charts(told))
    if painted:
        with speaking(ENGLISH):
            drawn = {name: (drawn[name][0], each.png()) for name, each in _charts(painted).items()}
    new_folder(folder / "charts")
    kept = [file for file in told.files if _is_within(file) and (folder / file).is_file()]
    page = html(told, {name: vectors.inline for name, (vectors, _) in drawn.items()}, how, kept)
    yield written_to(folder / "report.html", page)
    yield written_to(folder / "report.md", markdown(told, stems, how))
    for name, (vectors, png) in drawn.items():
        yield written_to(folder / f"{stems[name]}.svg", vectors.alone)
        yield written_to(folder / f"{stems[name]}.png", png)


def _is_within(file: str) -> bool:
    """A name out of a record is a place beneath the page, or no link is made of it."""
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and file.isprintable()


def _charts(told: Story) -> dict[str, Chart]:
    """All by name."""
    return {**dict(told.overview), **dict(each for section in told.sections for each in section.charts)}


@contextmanager
def _uncollected() -> Iterator[None]:
    """A figure is thousands of small objects that refer to each other: looking for garbage takes a fifth."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _stems(section: Section) -> Iterator[tuple[str, str]]:
    """Path of each chart without its ending: the number makes it unique."""
    title = _UNSAFE.sub("-", section.title).strip("-.")[:60].rstrip("-.") or "group"
    for name, chart in section.charts:
        yield name, f"charts/{section.number:02d}-{title}-{chart.kind}"


def new_folder(folder: Path) -> None:
    """Make the folder where there is none; raises StorageError rather than follow a link."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise StorageError(
            "a link where charts should be written", where=str(folder), remedy="remove the link, or use --out"
        )


def written_to(file: Path, content: str | bytes) -> Path:
    """Under a temporary name first: readers see the old file or the new; a link is replaced, not followed."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as opened:
            opened.write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    return file
