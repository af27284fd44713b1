"""A party's part of a block under pyinstrument: never mixed into the measured blocks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from benchkit.engine import profile_clock
from benchkit.engine.profile_frames import phases
from benchkit.engine.profile_pages import pages
from benchkit.engine.profile_phases import Rules
from benchkit.engine.task import Task
from benchkit.engine.work import Work, describe
from benchkit.records.plain import storable
from benchkit.records.profile import NativeProfile, Operator, PartyProfile
from benchkit.stages.base import OpenStage, Operators

if TYPE_CHECKING:
    from pyinstrument import Profiler
    from pyinstrument.session import Session

LEAST_INTERVAL_S: Final = 2.117e-4
"""A look takes some 20 us. No rate that people ask for has a period of a whole number of these."""
_MOST_SAMPLES: Final = 20_000
"""About two kilobytes each while the block lasts: a longer block is looked at less often."""
_DRAIN_S: Final = 1.0
_MOST_OPERATORS: Final = 10
MOST_FILE_BYTES: Final = 8 << 20
_MOST_FILES: Final = 4


class Watch:
    """What profiles one party's part of one block, if that is asked for; where it cannot, it says why."""

    def __init__(self, work: Work, task: Task, rules: Callable[[], Rules]) -> None:
        self._work = work
        self._task = task
        self._rules = rules
        self._native = ExitStack()
        self._operators: Operators | None = None
        self._native_gap = ""
        self._session: Session | None = None
        self._gap = ""

    def __enter__(self) -> Self:
        """Imports what the profiler needs, which takes as long as many messages; a missing one is told later."""
        if self._task.profile:
            with suppress(ImportError):
                import pyinstrument.renderers  # noqa: F401  (only to have it)
        return self

    def __exit__(self, *_: object) -> None:
        """A stage goes back to running without its own profiler, also where the block failed."""
        with suppress(Exception):
            self._native.close()

    def begin(self, stage: OpenStage) -> None:
        """Let a stage profile its native code; before messages come, for that may take time to begin."""
        if not self._task.profile:
            return
        try:
            folder = self._folder()
            folder.mkdir(mode=0o700, parents=True)
            self._operators = self._native.enter_context(stage.profiled(folder))
        except Exception as error:  # noqa: BLE001  (anybody's code; told as a gap)
            self._native_gap = f"the stage's own profiler could not begin: {_told(error)}"

    def around(self, run: Callable[[], None]) -> Callable[[], None]:
        """`run` itself, or `run` under the profiler."""
        return self._watched(run) if self._task.profile else run

    def _watched(self, run: Callable[[], None]) -> Callable[[], None]:
        def watched() -> None:
            profiler = self._attached()
            ours = sys.getprofile()
            try:
                run()
            finally:
                if profiler is not None:
                    self._detach(profiler, ours)

        return watched

    def _attached(self) -> Profiler | None:
        if sys.getprofile() is not None:
            self._gap = "another profiler is active in the thread (sys.setprofile)"
            return None
        try:
            from pyinstrument import Profiler

            interval_s = self._interval_s()
            profile_clock.use(profile_clock.stepping(interval_s))
            profiler = Profiler(interval_s, async_mode="disabled")
            profiler.start(target_description=f"{self._task.cell}, {self._work.command['do']}")
        except ImportError:
            self._gap = "pyinstrument is not installed: pip install pyinstrument"
        except Exception as error:  # noqa: BLE001  (a profiler that cannot attach must not end the block)
            self._gap = f"the profiler could not attach: {_told(error)}"
        else:
            return profiler
        return None

    def _detach(self, profiler: Profiler, ours: object) -> None:
        """Where somebody else took its place, what it saw before is a part nobody knows: it is left out."""
        theirs = sys.getprofile()
        try:
            session = profiler.stop()
        except Exception as error:  # noqa: BLE001  (as above)
            self._gap = f"the profiler could not be ended: {_told(error)}"
            return
        if theirs is ours:
            self._session = session
        else:
            self._gap = "the profiler was replaced while the block lasted (sys.setprofile)"
            if callable(theirs):
                sys.setprofile(theirs)

    def _interval_s(self) -> float:
        task = self._task
        # A drain is over in a moment, unless it is what is measured.
        drain_s = task.drain_s if task.hold else min(task.drain_s, _DRAIN_S)
        seconds = max(task.warmup_s, task.warmup_max_s) + task.duration_s + drain_s
        return LEAST_INTERVAL_S * max(1.0, seconds / LEAST_INTERVAL_S / _MOST_SAMPLES)

    def tell(self) -> None:
        """Report what was seen, when everything else of the block was; making pages takes a while."""
        if not self._task.profile:
            return
        party, files = self._party()
        native, kept = self._taken()
        self._work.tell("profile", party=party, files=files, native=native, kept=kept)

    def _party(self) -> tuple[Any, dict[str, bytes]]:
        session, files = self._session, dict[str, bytes]()
        if session is None:
            return storable(PartyProfile(gap=self._gap or "the block ended before it began")), files
        if not session.sample_count:
            return storable(PartyProfile(gap="the profiler saw nothing: the block was too short")), files
        interval_s = self._interval_s()
        seen = phases(session.frame_records, self._rules())
        try:
            files = pages(session, MOST_FILE_BYTES)
        except Exception as error:  # noqa: BLE001  (the figures are there without the pages)
            self._gap = f"its pages could not be made: {_told(error)}"
        return storable(PartyProfile(session.sample_count, interval_s, seen, gap=self._gap)), files

    def _taken(self) -> tuple[Any, dict[str, bytes]]:
        """What the stage's own profiler found; None where it has none."""
        kept: dict[str, bytes] = {}
        try:
            self._native.close()
        except Exception as error:  # noqa: BLE001  (anybody's code; told as a gap)
            self._native_gap = f"the stage's own profiler failed: {_told(error)}"
        if self._native_gap:
            return storable(NativeProfile(gap=self._native_gap)), kept
        if self._operators is None:
            return None, kept
        found, gap = self._operators, self._operators.gap
        try:
            kept = _kept(self._folder())
        except OSError as error:
            gap = gap or f"its file could not be kept: {_told(error)}"
        shown = _slowest(found)
        return storable(NativeProfile(shown, found.runs, gap=gap)), kept

    def _folder(self) -> Path:
        own = f"native-{self._task.hop}-{self._work.command.get('worker', 0)}"
        return Path(self._task.profile_folder) / own


def _slowest(found: Operators) -> tuple[Operator, ...]:
    whole_ns = sum(each.total_ns for each in found.times) or 1
    slowest = sorted(found.times, key=lambda each: -each.total_ns)[:_MOST_OPERATORS]
    return tuple(
        Operator(
            each.name,
            each.type,
            each.total_ns / whole_ns,
            each.calls,
            each.total_ns / 1e3 / max(1, each.calls),
        )
        for each in slowest
    )


def _told(error: Exception) -> str:
    return str(describe(error)["what"])


def _kept(folder: Path) -> dict[str, bytes]:
    """What a stage's profiler wrote, by its ending: plain files, a few, each up to its last whole line in bounds."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.iterdir())[:_MOST_FILES]:
        if file.is_symlink() or not file.is_file():
            continue
        with file.open("rb") as opened:
            content = opened.read(MOST_FILE_BYTES + 1)
        ending = f"native{f'-{len(found)}' if found else ''}{file.suffix}"
        found[ending] = content if len(content) <= MOST_FILE_BYTES else _cut(content)
    return found


def _cut(content: bytes) -> bytes:
    """The beginning of a trace that is too long; a JSON array of one event a line stays one."""
    head = content[: content.rindex(b"\n")] if b"\n" in content else content[:MOST_FILE_BYTES]
    return head.rstrip().rstrip(b",") + b"\n]\n" if content.lstrip().startswith(b"[") else head
