"""The wall clock as the Python code of a party reads it, stepped away from the machine's.

What a step reaches is `time.time` and `time.time_ns`, also where a module took them for itself (`from time import
time`), and counts who reads them. What is written in C and asks the kernel itself is not reached: `datetime.now`, a
library's own threads, a broker. Nothing that benchkit measures with reads the wall clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

_WALL: Final = {"time": time.time, "time_ns": time.time_ns}
"""As the machine has it."""


def reports(folder: Path, party: str) -> list[Mapping[str, Any]]:
    """What the processes of a party said of their clocks: `offset_ns`, `seen_ns`, `readers`."""
    found = sorted(folder.glob(f"clock-{party}*.json"))
    return [json.loads(path.read_text("utf-8")) for path in found]


class WallClock:
    """Of one process; it is as it always was until the first step."""

    def __init__(self, folder: Path, label: str) -> None:
        self.offset_ns = 0
        self._most_ns = self._seen_ns = 0
        self._path = folder / f"clock-{label}-{os.getpid()}.json"
        self._readers: Counter[str] = Counter()
        self._installed = False

    def step(self, offset_ns: int) -> None:
        """So far from the machine's from now on; 0: as it is. Who read it meanwhile is written down."""
        if not self._installed:
            self._install()
        self.offset_ns = offset_ns
        if offset_ns:
            self._most_ns = offset_ns
            # Asked as any code here would ask, and compared with the kernel's answer.
            self._seen_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_REALTIME)
            self._readers.clear()
        partial = self._path.with_suffix(".new")
        said = {"offset_ns": self._most_ns, "seen_ns": self._seen_ns, "readers": dict(self._readers)}
        partial.write_text(json.dumps(said), encoding="utf-8")
        partial.replace(self._path)

    def _install(self) -> None:
        self._installed = True
        wall_s, wall_ns, readers = time.time, time.time_ns, self._readers

        def who() -> None:
            if self.offset_ns:
                readers[str(sys._getframe(2).f_globals.get("__name__", "?"))] += 1  # noqa: SLF001  (whoever asks)

        def stepped_s() -> float:
            who()
            return wall_s() + self.offset_ns * 1e-9

        def stepped_ns() -> int:
            who()
            return wall_ns() + self.offset_ns

        new: Mapping[str, Callable[[], float]] = {"time": stepped_s, "time_ns": stepped_ns}
        for module in list(sys.modules.values()):
            names = getattr(module, "__dict__", {})
            for name, value in list(names.items()):
                for of, original in _WALL.items():
                    if value is original and module.__name__ != __name__:
                        setattr(module, name, new[of])
