"""Stages with a planted weakness, for benchkit's `python` stage: the amount is in the name, `collecting_1500us`."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchkit.selftest.parts.pace import burn, idle, until
from benchkit.tensors.message import Arrays

_SURVIVORS: Final = 3_000
"""Objects that each collection walks at the least."""


def _answer() -> Arrays:
    return {"done": np.array([1], np.int64)}


class _Collecting:
    """Collects the garbage after each message, as people do against leaks."""

    def __init__(self, us: float) -> None:
        self._us = us
        self._kept: list[list[Any]] = []

    def __call__(self, _arrays: Arrays) -> Arrays:
        # Made anew each time: what is there when a block begins is out of the collector's sight.
        if self._us:
            self._kept = [[] for _ in range(_SURVIVORS)]
        until(self._us, gc.collect)
        return _answer()


class _Locked:
    """Needs a lock that another thread holds while it waits for something of its own."""

    def __init__(self, us: float) -> None:
        self._us = us
        self._lock = threading.Lock()
        self._asked, self._taken = threading.Event(), threading.Event()
        threading.Thread(target=self._hold, name="holder", daemon=True).start()

    def _hold(self) -> None:
        while self._asked.wait():
            self._asked.clear()
            with self._lock:
                self._taken.set()
                idle(self._us)

    def __call__(self, _arrays: Arrays) -> Arrays:
        if self._us:
            self._asked.set()
            self._taken.wait()
            self._taken.clear()
            with self._lock:
                pass
        return _answer()


class _Multiplying:
    """Real arithmetic: a small matrix product after the other."""

    def __init__(self, us: float) -> None:
        self._us = us
        self._matrix = np.full((48, 48), 0.5, np.float32)

    def __call__(self, _arrays: Arrays) -> Arrays:
        until(self._us, lambda: self._matrix @ self._matrix)
        return _answer()


class _Burning:
    """Uses CPU time, however long that takes."""

    def __init__(self, us: float) -> None:
        self._us = us

    def __call__(self, _arrays: Arrays) -> Arrays:
        burn(self._us)
        return _answer()


class _Passing:
    """Uses CPU time and answers what it got: a stage in the middle of a pipeline."""

    def __init__(self, us: float) -> None:
        self._us = us

    def __call__(self, arrays: Arrays) -> Arrays:
        burn(self._us)
        return arrays


_MADE: Final[dict[str, Callable[[float], Any]]] = {
    "collecting": _Collecting,
    "locked": _Locked,
    "multiplying": _Multiplying,
    "burning": _Burning,
    "passing": _Passing,
}


def target(name: str, us: float) -> str:
    """What the `python` stage is told."""
    return f"{__name__}:{name}_{max(0, round(us))}us"


def __getattr__(name: str) -> Any:
    """`collecting_1500us` and the like, made when the stage asks for it."""
    found = re.fullmatch(r"([a-z]+)_([0-9]+)us", name)
    if found is None or found[1] not in _MADE:
        raise AttributeError(f"no stage {name!r} here")
    return _MADE[found[1]](float(found[2]))
