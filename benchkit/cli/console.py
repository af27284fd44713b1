"""Consoles and progress: people's text goes to standard error where standard output carries a document."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.engine.runner import Progress


def out(*, err: bool = False) -> Console:
    """A console that respects NO_COLOR, pipes and the terminal's width."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, soft_wrap=False)


def printable(text: str) -> str:
    """Lines without what could move a terminal's cursor, style it or turn its direction: that becomes `?`."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


@contextmanager
def progress(*, quiet: bool, console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    """Shows where a run stands: a bar with the time left on a terminal, plain lines elsewhere.

    What is printed on `console` meanwhile stands above the bar.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        yield from _bar(console)
    else:
        yield _lines()


@contextmanager
def unseen_progress() -> Iterator[Callable[[Progress], None]]:
    """The bar as on a terminal, drawn for nobody: what drawing it costs, less the terminal's own work."""
    from rich.console import Console

    with Path(os.devnull).open("w", encoding="utf-8") as nobody:
        yield from _bar(Console(file=nobody, force_terminal=True, width=100))


def _bar(console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    from rich import progress as bars

    columns = (
        bars.BarColumn(bar_width=24),
        bars.TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.description}", markup=False),
    )
    # Twice a second is enough for eyes and next to nothing for the cores that are being measured.
    with bars.Progress(
        *columns, console=console or out(err=True), transient=True, refresh_per_second=2
    ) as bar:
        task = bar.add_task("", total=0)

        def show(now: Progress) -> None:
            bar.update(
                task, total=now.total, completed=now.done, description=f"{now.doing} {now.cell}".strip()
            )

        yield show


def _lines() -> Callable[[Progress], None]:
    began = time.monotonic()
    last = {"doing": "", "tenth": -1}

    def show(now: Progress) -> None:
        tenth = 10 * now.done // max(1, now.total)
        if now.doing == last["doing"] and tenth == last["tenth"]:
            return
        last.update(doing=now.doing, tenth=tenth)
        click.echo(f"[{time.monotonic() - began:5.1f} s] {now.doing}: {now.done}/{now.total}", err=True)

    return show
