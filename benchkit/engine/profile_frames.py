"""Samples of the profiler made into what a person is told: by phase, the functions that took most of it."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import benchkit
from benchkit.engine.profile_phases import BUILT_IN, OWN, Rules
from benchkit.records.profile import Frame, PhaseProfile

_MOST_FRAMES: Final = 5
_LEAST_SHARE: Final = 0.01
_MOST_BUILTIN: Final = 0.5
_LONGEST_NAME: Final = 120


Seconds = defaultdict[str, float]


def _by_function() -> dict[str, Seconds]:
    return defaultdict(lambda: defaultdict(float))


@dataclass(slots=True)
class _Sums:
    samples: int = 0
    seconds: float = 0.0
    functions: Seconds = field(default_factory=lambda: defaultdict(float))
    builtins: dict[str, Seconds] = field(default_factory=_by_function)
    """Of each function, the built-in ones that it called."""
    callers: dict[str, Seconds] = field(default_factory=_by_function)


def phases(records: Iterable[tuple[Sequence[str], float]], rules: Rules) -> dict[str, PhaseProfile]:
    """By phase, from pyinstrument's records: a stack, root first, and the seconds that it stands for."""
    sums: defaultdict[str, _Sums] = defaultdict(_Sums)
    for infos, seconds in records:
        keys = [_key(info) for info in infos]
        phase, first = rules.read([_function(key) for key in keys])
        own = sums[phase]
        own.samples += 1
        own.seconds += seconds
        function, builtin = _leaf(keys[first:])
        own.functions[function] += seconds
        if builtin:
            own.builtins[function][builtin] += seconds
        if caller := _caller(keys[first:], function):
            own.callers[function][caller] += seconds
    return {phase: PhaseProfile(each.samples, each.seconds, _frames(each)) for phase, each in sums.items()}


def _key(info: str) -> str:
    """A function as pyinstrument describes it, with its class and without the line that ran."""
    function, *attributes = info.split("\1")
    return "\1".join([function, *(each for each in attributes if each.startswith("c"))])


def _function(key: str) -> str:
    return key.partition("\1")[0]


def _leaf(inside: Sequence[str]) -> tuple[str, str]:
    """The function on top, and the built-in one that it was in."""
    if not inside:
        return "", ""
    name, file = inside[-1].split("\0")[:2]
    if file != BUILT_IN or len(inside) == 1:
        return inside[-1], ""
    return inside[-2], name


def _caller(inside: Sequence[str], function: str) -> str:
    """The user's own function nearest above this one; empty where there is none."""
    users = (each for each in reversed(inside) if each != function and _is_users(each.split("\0")[1]))
    return next(users, "")


def _frames(sums: _Sums) -> tuple[Frame, ...]:
    found = []
    largest = sorted(sums.functions.items(), key=lambda each: -each[1])
    for function, seconds in largest[:_MOST_FRAMES]:
        share = seconds / sums.seconds
        if share < _LEAST_SHARE:
            break
        builtin, most = _largest(sums.builtins[function])
        caller, called = _largest(sums.callers[function])
        found.append(
            Frame(
                _name(function),
                _where(function),
                share,
                _printable(builtin) if most >= _MOST_BUILTIN * seconds else "",
                f"{_name(caller)} ({_where(caller)})" if caller else "",
                called / seconds,
            )
        )
    return tuple(found)


def _largest(found: Seconds) -> tuple[str, float]:
    return max(found.items(), key=lambda each: each[1], default=("", 0.0))


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
