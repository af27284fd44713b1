"""Samples of the profiler made into what a person is told: by phase, the functions that took most of it."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Final

import benchkit
from benchkit.engine.profile_phases import BUILT_IN, OWN, WAITING, Rules
from benchkit.records.profile import Frame, PhaseProfile

RARE: Final = 5.0
_MOST_FRAMES: Final = 5
_LEAST_SHARE: Final = 0.01
_MOST_BUILTIN: Final = 0.5
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sample was taken: the function on top, the built-in one that it was in, who called it."""

    function: str
    builtin: str
    caller: str


def phases(records: Iterable[tuple[Sequence[str], float]], rules: Rules) -> dict[str, PhaseProfile]:
    """By phase, from pyinstrument's records: a stack, root first, and the seconds that it stands for.

    A sample that stands for more than RARE times the median of its place counts no more than that: there the
    process had no core, most often, and one such moment outweighs a hundred others. The rest is told as `rare_s`.
    """
    taken: defaultdict[str, defaultdict[_Place, list[float]]] = defaultdict(lambda: defaultdict(list))
    for infos, seconds in records:
        keys = [_key(info) for info in infos]
        phase, first = rules.read([_function(key) for key in keys])
        taken[phase][_place(keys[first:])].append(seconds)
    return {phase: _phase(found, usual=phase != WAITING) for phase, found in taken.items()}


def _phase(found: Mapping[_Place, Sequence[float]], *, usual: bool) -> PhaseProfile:
    whole_s = sum(sum(seconds) for seconds in found.values())
    counted = {place: _counted(seconds) if usual else sum(seconds) for place, seconds in found.items()}
    counted_s = sum(counted.values())
    samples = sum(len(seconds) for seconds in found.values())
    return PhaseProfile(samples, counted_s, _frames(counted, counted_s), max(0.0, whole_s - counted_s))


def _counted(seconds: Sequence[float]) -> float:
    most = RARE * sorted(seconds)[(len(seconds) - 1) // 2]
    return sum(min(each, most) for each in seconds)


def _key(info: str) -> str:
    """A function as pyinstrument describes it, with its class and without the line that ran."""
    function, *attributes = info.split("\1")
    return "\1".join([function, *(each for each in attributes if each.startswith("c"))])


def _function(key: str) -> str:
    return key.partition("\1")[0]


def _place(inside: Sequence[str]) -> _Place:
    """Of the part of a stack that is not the engine's; what is built in is counted to the function that calls it."""
    if not inside:
        return _Place("", "", "")
    function, builtin = inside[-1], ""
    if len(inside) > 1 and function.split("\0")[1] == BUILT_IN:
        function, builtin = inside[-2], function.partition("\0")[0]
    users = (each for each in reversed(inside) if each != function and _is_users(each.split("\0")[1]))
    return _Place(function, builtin, next(users, ""))


def _frames(counted: Mapping[_Place, float], whole_s: float) -> tuple[Frame, ...]:
    functions: defaultdict[str, dict[_Place, float]] = defaultdict(dict)
    for place, seconds in counted.items():
        functions[place.function][place] = seconds
    largest = sorted(functions.items(), key=lambda each: -sum(each[1].values()))
    frames = (_frame(function, places, whole_s) for function, places in largest[:_MOST_FRAMES])
    return tuple(frame for frame in frames if frame.share >= _LEAST_SHARE)


def _frame(function: str, places: Mapping[_Place, float], whole_s: float) -> Frame:
    own_s = sum(places.values())
    builtin, within_s = _largest(places, attrgetter("builtin"))
    caller, called_s = _largest(places, attrgetter("caller"))
    return Frame(
        _name(function),
        _where(function),
        own_s / whole_s if whole_s else 0.0,
        _printable(builtin) if within_s >= _MOST_BUILTIN * own_s else "",
        f"{_name(caller)} ({_where(caller)})" if caller else "",
        called_s / own_s if own_s else 0.0,
    )


def _largest(places: Mapping[_Place, float], of: Callable[[_Place], str]) -> tuple[str, float]:
    """The built-in function, or the caller, with most time; what is empty is none."""
    sums: defaultdict[str, float] = defaultdict(float)
    for place, seconds in places.items():
        if of(place):
            sums[of(place)] += seconds
    return max(sums.items(), key=lambda each: each[1], default=("", 0.0))


def _name(key: str) -> str:
    """`JSONEncoder.encode`, or `base64.b64encode` where there is no class; what is the engine's own says so."""
    if not key:
        return OWN
    described, _, class_ = key.partition("\1c")
    function, file, _ = described.split("\0")
    within = class_ or ("" if file.startswith("<") else _module(file))
    return _printable(f"{within}.{function}" if within else function)


def _where(key: str) -> str:
    if not key:
        return ""
    _, file, line = _function(key).split("\0")
    return "" if file.startswith("<") else _printable(f"{_short(file)}:{line}")


def _printable(text: str) -> str:
    """Names come from anybody's code."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= _LONGEST_NAME else f"{clean[: _LONGEST_NAME - 1]}…"


def _module(file: str) -> str:
    """As it is imported, the last part: the file says the rest."""
    path = Path(file)
    return path.parent.name if path.stem == "__init__" else path.stem


def _short(file: str) -> str:
    """Relative to where it is imported from or to the working directory; else its name alone: no home folders."""
    bases = [os.path.realpath(entry or ".") for entry in (*sys.path, ".")]
    full = os.path.realpath(file)
    inside = [base for base in bases if full.startswith(base + os.sep)]
    return os.path.relpath(full, max(inside, key=len)) if inside else Path(file).name


_INSTALLED: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@cache
def _not_users() -> tuple[str, ...]:
    """Folders of Python itself and of benchkit."""
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return tuple(os.path.realpath(path) + os.sep for path in [*python, *benchkit.__path__])


@cache
def _is_users(file: str) -> bool:
    full = os.path.realpath(file)
    installed = any(folder in full for folder in _INSTALLED)
    return not (file.startswith("<") or installed or full.startswith(_not_users()))
