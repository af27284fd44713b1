"""Thousands of gates over the noise that was recorded: whole blocks, drawn with replacement, a known effect laid on.

A block is drawn whole, so that what its metrics have in common stays; both of its runs stood beside each other, so the
noise between them is the machine's own. Effects are laid on as a ratio of every metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchkit.gate.rows import HIGHER_IS_BETTER, Claim, worst
from benchkit.gate.sequence import Draw, Fresh, confirmation, course
from benchkit.gate.sides import BASE, CANDIDATE
from benchkit.gate.statistics import Floats, fresh_looks, looks

_GRID: Final = tuple(percent / 100 for percent in (3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40))
_POWER: Final = 0.9

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Noise:
    """Differences of logarithms by metric, shape (blocks,) each, the same block at the same place; NaN where a run
    had too few messages for the metric."""

    differences: Mapping[str, Floats]

    @property
    def blocks(self) -> int:
        """How many were recorded."""
        return len(next(iter(self.differences.values()), np.empty(0)))


def noise(lines: Sequence[Entry], metrics: Sequence[str]) -> Noise:
    """Of the trials in which nothing differs."""
    found = [pair for line in lines if not line["effect"] for pair in line["pairs"]]
    return Noise({metric: np.array([_difference(pair, metric) for pair in found]) for metric in metrics})


def _difference(pair: Entry, metric: str) -> float:
    if any(pair[side][metric] is None for side in (BASE, CANDIDATE)):
        return math.nan
    difference = math.log(pair[CANDIDATE][metric] / pair[BASE][metric])
    return -difference if metric in HIGHER_IS_BETTER else difference


def failures(
    recorded: Noise, effect: float, gates: int, blocks: int, deltas: Mapping[str, float], seed: int
) -> int:
    """How many of so many simulated gates say FAIL."""
    rng = np.random.default_rng(seed)
    shift = math.log1p(effect)
    fresh = fresh_looks(blocks)
    count = 0
    for _ in range(gates):
        drawn = rng.integers(recorded.blocks, size=blocks + fresh[-1].blocks)
        claims = [
            Claim("cell", metric, deltas[metric], values[drawn] + shift)
            for metric, values in recorded.differences.items()
        ]
        rows = course(_draw(claims), looks(blocks))
        rows = confirmation(rows, _fresh(claims, blocks), fresh)
        count += worst([row.verdict for row in rows]) == "FAIL"
    return count


def _draw(claims: Sequence[Claim], first: int = 0) -> Draw:
    """Those of so many blocks from `first` on; as in the gate, none on a metric that one of them lacks."""

    def part(blocks: int) -> list[Claim]:
        found = [replace(each, differences=each.differences[first : first + blocks]) for each in claims]
        return [each for each in found if not np.isnan(each.differences).any()]

    return part


def _fresh(claims: Sequence[Claim], first: int) -> Fresh:
    part = _draw(claims, first)
    return lambda blocks, keys: [claim for claim in part(blocks) if claim.key in keys]


def smallest_effect(
    recorded: Noise, gates: int, blocks: int, deltas: Mapping[str, float], seed: int
) -> float | None:
    """The smallest slow-down that is found in nine gates of ten; None where 40% is not enough."""
    for effect in _GRID:
        if failures(recorded, effect, gates, blocks, deltas, seed) >= _POWER * gates:
            return effect
    return None
