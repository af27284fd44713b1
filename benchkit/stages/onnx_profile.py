"""ONNX Runtime's own profile: a second session that keeps one, and its file read.

The runtime holds every event in memory until profiling ends and writes about a kilobyte for each, so only the
first runs are profiled; the ones after them go to the plain session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchkit.stages.base import Operators, OperatorTime

MOST_RUNS: Final = 50
_SETTLING_RUNS: Final = 2
"""The first runs allocate what later ones reuse: they are left out where enough others remain."""
_SUFFIX: Final = "_kernel_time"

Run = Callable[..., Any]


class Profiled:
    """Runs a profiling session for the first MOST_RUNS runs, and the plain one after them."""

    def __init__(self, session: Any, plain: Run) -> None:
        self._session = session
        self._plain = plain
        self._left = MOST_RUNS
        self._file: Path | None = None

    def run(self, names: Any, feeds: Any) -> Any:
        """In the place of the session's `run`."""
        if not self._left:
            return self._plain(names, feeds)
        self._left -= 1
        values = self._session.run(names, feeds)
        if not self._left:
            self._end()
        return values

    def _end(self) -> Path:
        if self._file is None:
            self._file = Path(self._session.end_profiling())
        return self._file

    def read(self) -> Operators:
        """What the profile holds; raises OSError, or ValueError where the file is not what it used to be."""
        return operators(self._end())


def operators(file: Path) -> Operators:
    """The operators of a profile, slowest first; its events end with the `model_run` that they belong to."""
    runs: list[dict[tuple[str, str], list[int]]] = []
    current: dict[tuple[str, str], list[int]] = {}
    for event in _events(file):
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_SUFFIX):
            kind = str(event.get("args", {}).get("op_name", ""))
            times = current.setdefault((name.removesuffix(_SUFFIX), kind), [0, 0])
            times[0] += 1
            times[1] += int(event["dur"]) * 1000
        elif event.get("cat") == "Session" and name == "model_run":
            runs.append(current)
            current = {}
    counted = runs[_SETTLING_RUNS:] if len(runs) > 2 * _SETTLING_RUNS else runs
    together: dict[tuple[str, str], list[int]] = {}
    for run in counted:
        for key, (calls, total_ns) in run.items():
            sums = together.setdefault(key, [0, 0])
            sums[0] += calls
            sums[1] += total_ns
    found = [OperatorTime(*key, calls, total_ns) for key, (calls, total_ns) in together.items()]
    gap = "" if found else "the model was not run while it was profiled"
    return Operators(sorted(found, key=lambda each: -each.total_ns), len(counted), gap)


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """One event a line, so that a profile of any length needs no more memory than one of them."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.strip().rstrip(",")
            if text.startswith("{"):
                event = json.loads(text)
                if isinstance(event, dict):
                    yield event
