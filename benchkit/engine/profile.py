"""Blocks under pyinstrument: never mixed into the measured ones."""

from __future__ import annotations

from collections.abc import Callable

from benchkit.engine.task import Task
from benchkit.engine.work import Work

_INTERVAL_S = 0.0005


def profiled(work: Work, task: Task, run: Callable[[], None]) -> Callable[[], None]:
    """`run` itself, or `run` under a profiler whose pages are told to the runner."""
    if not task.profile:
        return run

    def watched() -> None:
        from pyinstrument import Profiler
        from pyinstrument.renderers import SpeedscopeRenderer

        profiler = Profiler(interval=_INTERVAL_S, async_mode="disabled")
        profiler.start()
        try:
            run()
        finally:
            session = profiler.stop()
            if session.sample_count:
                work.tell(
                    "profile", html=profiler.output_html(), speedscope=profiler.output(SpeedscopeRenderer())
                )

    return watched
