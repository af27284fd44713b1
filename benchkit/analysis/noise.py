"""How small a difference between two cells can be before this machine, on this day, is its likelier cause.

The interval of a ratio (`analysis.ranking`) holds what varied from round to round. It does not know what the
ruler itself is worth. A difference of two p50 is below the noise floor when it is not larger than all of

* the clock's granularity: the smallest step between two stamps;
* the null spread: by how much the p50 of the empty message differs between pieces of one block measured just
  before the run. The same thing was measured again, by the same engine: an A/A comparison of the run;
* the drift: the mean over the rounds that both cells have of log(spin of the one / spin of the other), where
  spin is the fixed work timed around the cell's block, times the smaller p50. It is the difference that the
  machine would have shown between two cells with the same work in the same blocks. The fixed copy is left
  out: what a cell leaves in the caches is in it.

Such a difference is a tie, whatever its interval says, and the cell gets the note `effect-below-noise`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from benchkit.records.run import Block, Floor


def ruler_ns(floor: Floor | None) -> float:
    """What a difference of two p50 must exceed for the ruler's sake; 0 where the floors were not measured."""
    return max(floor.clock_granularity_ns, floor.null_spread_us * 1e3) if floor else 0.0


def spins(blocks: Iterable[Block]) -> dict[int, float]:
    """By round, the mean logarithm of the spins before and after a cell's block."""
    known = {block.round: block.disturbance.spin_ns for block in blocks if block.disturbance is not None}
    return {round_: sum(math.log(max(1, ns)) for ns in pair) / 2 for round_, pair in known.items()}


def drift(cell: Mapping[int, float], base: Mapping[int, float]) -> float:
    """Mean logarithm of cell over base in the rounds that both have; 0 where there is none."""
    rounds = cell.keys() & base.keys()
    return sum(cell[at] - base[at] for at in rounds) / len(rounds) if rounds else 0.0


def noise_ns(best_p50_ns: float, drifted: float, ruler: float) -> float:
    """The noise floor of a difference to the best cell's p50, nanoseconds."""
    return max(ruler, best_p50_ns * math.expm1(min(abs(drifted), 50.0)))
