"""How much slower, how surely, and what can be claimed of many at once: pure functions of paired differences.

A difference is candidate less base, of logarithms, so that it is a ratio; its sign is turned where more is better, so
that above 0 is worse. The tests are Wilcoxon's signed ranks (`analysis.signed_rank`): exact, with no assumption but
that a pair's two runs may as well have stood in the other order, which the shuffling sees to.

Looking again and again finds something at last, so the 5% are spent in portions: Lan and DeMets, "Discrete sequential
boundaries for clinical trials", Biometrika 70 (1983) 659-663, with the spending function that mimics O'Brien and
Fleming. Theirs makes use of how the looks correlate; here each look simply gets what it adds to the sum spent, and the
union bound (Bonferroni) keeps the sum, exactly, in samples of any size. Within a look the portion is shared among
metrics and cells by Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6 (1979) 65-70.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import scipy

from benchkit.analysis import signed_rank
from benchkit.analysis.intervals import Interval

ALPHA: Final = 0.05
"""Of false failures, all metrics, cells and looks of one gate together."""
_FIRST_SHARE: Final = 0.5
_STEPS: Final = 3
_LEAST_FOR_LOOKS: Final = 12
"""With fewer blocks a look halfway could never decide anything."""
_FRESH: Final = ((0.5, 0.4), (1.0, 0.2), (2.0, 0.4))
_FRESH_OF_FEW: Final = ((1.0, 0.7), (2.0, 0.3))
"""Looks at fresh blocks: how many, of those before, and what share of ALPHA is spent on them."""

Floats = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Look:
    """A moment at which the gate may decide."""

    blocks: int
    level: float
    """What of ALPHA is spent at it."""


def looks(blocks: int, alpha: float = ALPHA) -> tuple[Look, ...]:
    """Halfway, at three quarters and at the end; the levels add up to `alpha`."""
    if blocks < _LEAST_FOR_LOOKS:
        return (Look(blocks, alpha),)
    places = [
        math.ceil(blocks * (_FIRST_SHARE + (1 - _FIRST_SHARE) * step / (_STEPS - 1)))
        for step in range(_STEPS)
    ]
    spent = [0.0, *(spending(place / blocks, alpha) for place in places)]
    return tuple(
        Look(place, after - before)
        for place, before, after in zip(places, spent[:-1], spent[1:], strict=True)
    )


def fresh_looks(blocks: int, alpha: float = ALPHA) -> tuple[Look, ...]:
    """At half as many as were measured before, as many and twice as many; the levels add up to `alpha`.

    Much is spent at once, unlike before: a clear slow-down shall be told by the first of them.
    """
    portions = _FRESH if blocks >= _LEAST_FOR_LOOKS else _FRESH_OF_FEW
    return tuple(Look(math.ceil(part * blocks), share * alpha) for part, share in portions)


def spending(part: float, alpha: float = ALPHA) -> float:
    """What may be spent when `part` of the blocks is there: 2 - 2 Phi(z / sqrt(part)), `alpha` at 1."""
    return float(2 - 2 * scipy.special.ndtr(-scipy.special.ndtri(alpha / 2) / math.sqrt(part)))


def p_beyond(differences: Floats, delta: float) -> float:
    """Of "the effect is at most `delta`" (a difference of logarithms): small where it is clearly more."""
    return signed_rank.p_above(differences - delta)


def estimate(differences: Floats) -> float:
    """Hodges and Lehmann's, "Estimates of location based on rank tests", Ann. Math. Stat. 34 (1963) 598-611."""
    return signed_rank.center(differences)


def interval(differences: Floats, level: float) -> Interval:
    """Exact, at 1 - `level`, from the ordered Walsh averages; unbounded where there are too few differences."""
    return signed_rank.interval(differences, level)


def holm(p_values: Mapping[Key, float], level: float) -> frozenset[Key]:
    """The claims that hold together at `level`."""
    claimed = set()
    for done, (claim, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value > level / (len(p_values) - done):
            break
        claimed.add(claim)
    return frozenset(claimed)


def blocks_needed(differences: Floats, level: float, delta: float) -> int:
    """About how many make the interval as narrow as +-`delta`: its width shrinks with the root of their number."""
    count = len(differences)
    low, high = interval(differences, level)
    if not math.isfinite(high - low):
        return _fewest(level)
    return max(count + 1, math.ceil(count * ((high - low) / 2 / delta) ** 2))


def _fewest(level: float) -> int:
    """Two-sided, the signs of n differences cannot say less than 2 in 2^n."""
    return math.ceil(1 - math.log2(level))
