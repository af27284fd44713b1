"""All charts of a report as pictures, half of them in a second process where there is a core for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from benchkit.report.charts.canvas import Vectors
from benchkit.report.charts.gallery import Chart

Pictures = dict[str, tuple[Vectors, bytes]]
"""By the chart's name: its SVG and its PNG."""

_WORTH: Final = 6
"""Fewer charts are drawn sooner than a process is started for them."""


def pictures(charts: Mapping[str, Chart]) -> Pictures:
    """The SVG and the PNG of each chart, in their order; a name is unique in a page."""
    names = list(charts)
    theirs = names[1::2] if len(names) >= _WORTH and _second_core() else []
    with _helper(charts, theirs) as reader:
        found = _drawn(charts, [name for name in names if name not in set(theirs)])
        if theirs:
            found |= _received(reader, charts, theirs)
    return {name: found[name] for name in names}


def _drawn(charts: Mapping[str, Chart], names: Iterable[str]) -> Pictures:
    return {name: (charts[name].svg(name), charts[name].png()) for name in names}


def _second_core() -> bool:
    # A fork takes the figures' data along; elsewhere forking a process with a graphics library is unsafe.
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


@contextmanager
def _helper(charts: Mapping[str, Chart], names: list[str]) -> Iterator[Connection | None]:
    if not names:
        yield None
        return
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_draw_into, args=(writer, charts, names), daemon=True)
    child.start()
    writer.close()
    try:
        yield reader
    finally:
        child.kill()
        child.join()
        reader.close()


def _draw_into(writer: Connection, charts: Mapping[str, Chart], names: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends this process
    writer.send(_drawn(charts, names))


def _received(reader: Connection | None, charts: Mapping[str, Chart], names: list[str]) -> Pictures:
    """What the second process drew; drawn here where it died."""
    try:
        found: Pictures = reader.recv() if reader is not None else {}
    except EOFError:
        found = {}
    return found or _drawn(charts, names)
