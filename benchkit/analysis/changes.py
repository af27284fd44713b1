"""Change points: where the p50 of a cell, run after run, begins a level of its own.

The method is E-divisive (Matteson and James, "A nonparametric approach for multiple change point analysis of
multivariate data", JASA 109, 2014): a series is divided where the energy distance between its parts is largest,
if random orders of the same values seldom reach as much, and the parts are looked at likewise. The energy distance
with exponent 1 is a squared Euclidean distance between means after each value x is replaced by the row of
sqrt(v[j+1] - v[j]) for every known value v[j] below it (then |row(x) - row(y)|^2 = |x - y|), so the best divisions
are those that ruptures (Truong, Oudre, Vayatis, Signal Processing 167, 2020) finds exactly by kernel change point
detection with the linear kernel: one cut, or two at once, because a level that comes and goes has no single best cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from benchkit.errors import MissingLibrary

FEWEST_RUNS: Final = 12
"""Below it no order of the values is rare enough: three of twelve can be drawn in 220 ways, three of ten in 120."""
LEVEL: Final = 0.01
SHORTEST: Final = 3
"""Runs of a level; a single slow run is an outlier and no level."""
_ORDERS: Final = 999
_CUTS: Final = (1, 2)

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def change_points(values: Sequence[float]) -> tuple[int, ...]:
    """Places (from 1) at which a new level begins, in a series of positive values such as p50 in us.

    Logarithms are compared, so that a level is so many times another. Of series without any change about one in
    a hundred, at most two, show one; the values must not depend on their neighbours but for the changes. Empty
    below FEWEST_RUNS. The same values give the same answer. Raises MissingLibrary without ruptures.
    """
    algorithm = _algorithm()
    logs = np.log(np.maximum(np.asarray(values, dtype=np.float64), 1e-9))
    return tuple(sorted(_divided(algorithm, logs, 0, np.random.default_rng(0))))


def available() -> bool:
    """Whether change points can be looked for."""
    from importlib.util import find_spec

    return find_spec("ruptures") is not None


def install_hint() -> str:
    """How to get the library."""
    return "pip install 'benchkit[history]'"


def _algorithm() -> Any:
    try:
        from ruptures import KernelCPD
    except ImportError as error:
        raise MissingLibrary(
            "change points are found with ruptures, which is not installed", remedy=install_hint()
        ) from error
    return KernelCPD(kernel="linear", min_size=SHORTEST)


def _divided(algorithm: Any, logs: Any, first: int, random: np.random.Generator) -> Iterator[int]:
    cuts = _cuts(algorithm, logs, random)
    bounds = [0, *cuts, len(logs)]
    yield from (first + cut for cut in cuts)
    if cuts:
        for begin, end in itertools.pairwise(bounds):
            yield from _divided(algorithm, logs[begin:end], first + begin, random)


def _cuts(algorithm: Any, logs: Any, random: np.random.Generator) -> list[int]:
    """The best cut, or two where only both together are rare; none where random orders do as well."""
    if len(logs) < FEWEST_RUNS or np.ptp(logs) == 0:
        return []
    rows = _rows(logs)
    best = _best(algorithm, rows)
    most = int(LEVEL * (_ORDERS + 1)) - 1  # as many may reach the gain; the order as it came counts as one
    reached = dict.fromkeys(_CUTS, 0)
    for _ in range(_ORDERS):
        for cuts, (gain, _) in _best(algorithm, random.permutation(rows)).items():
            reached[cuts] += gain >= best[cuts][0] * (1 - 1e-9)
        if min(reached.values()) > most:
            return []
    return next((best[cuts][1] for cuts in _CUTS if reached[cuts] <= most), [])


def _rows(logs: Any) -> Matrix:
    known = np.unique(logs)
    rows: Matrix = (logs[:, None] >= known[None, 1:]) * np.sqrt(np.diff(known))[None, :]
    return rows


def _best(algorithm: Any, rows: Matrix) -> dict[int, tuple[float, list[int]]]:
    """By number of cuts: the squares between the parts that they leave, and where they are."""
    algorithm.fit(rows)
    algorithm.predict(n_bkps=_CUTS[-1])  # finds the best of fewer cuts too
    found = {}
    for cuts in _CUTS:
        *places, _ = algorithm.predict(n_bkps=cuts)
        parts = np.split(rows, places)
        mean = rows.mean(axis=0)
        gain = sum(len(part) * float(((part.mean(axis=0) - mean) ** 2).sum()) for part in parts)
        found[cuts] = (gain, [int(place) for place in places])
    return found
