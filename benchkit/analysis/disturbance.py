"""Which blocks of a run the machine disturbed, judged by the run's own calm level.

Around every block a fixed spin and a fixed copy are timed (the canary): steal can read 0 on a virtual machine
whose host takes its time elsewhere, and shared caches, memory and clock rates are in no counter at all.

A block is disturbed when one of these holds:

* a canary, before or after it, took more than 1.5 times the median of all canaries of its kind in the run,
  and more than 5 robust standard deviations above it (1.4826 times the median absolute deviation, of
  logarithms). The ratio keeps a quiet machine from crying wolf over a few percent, the spread a noisy one
  over what is usual there: normally distributed readings exceed five deviations once in 3.5 million. Up to
  half of the readings may be disturbed before the median is. With fewer than 8 readings (4 blocks) there is
  no calm level to speak of, and canaries do not judge;
* more than 5% of the CPU time was stolen, and more than three times the run's median; more than 20% always.
  The kernel counts in ticks of 10 ms: below 0.2 s one of them could be 5%, and nothing is judged by steal;
* the group's CPU quota stopped it for more than 1% of the block: a stop lasts up to 100 ms and is in every
  phase that it falls into, so there is no calm level for it;
* a core was slowed down because it was hot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchkit.records.run import Block
from benchkit.records.seen import Disturbance

_LEAST_READINGS: Final = 8
_LEAST_RATIO: Final = 1.5
_DEVIATIONS: Final = 5.0
_TO_SIGMA: Final = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed values."""
_STEAL_LEAST, _STEAL_TIMES, _STEAL_MOST = 0.05, 3.0, 0.2
_STEAL_FROM_S: Final = 0.2
_THROTTLED_SHARE: Final = 0.01

_Canary = Literal["spin_ns", "memcpy_ns"]
_CANARIES: Final[Mapping[_Canary, str]] = {"spin_ns": "spin", "memcpy_ns": "copy"}


@dataclass(frozen=True, slots=True)
class Calm:
    """The run's usual level of one canary, and from where on a reading is none of its own."""

    median_ns: float
    limit_ns: float


def calm(readings_ns: Sequence[int]) -> Calm | None:
    """From all readings of one canary in a run; None where they are too few."""
    if len(readings_ns) < _LEAST_READINGS:
        return None
    logs = np.log(np.maximum(1, np.array(readings_ns, np.float64)))
    middle = float(np.median(logs))
    sigma = _TO_SIGMA * float(np.median(np.abs(logs - middle)))
    above = max(np.log(_LEAST_RATIO), _DEVIATIONS * sigma)
    return Calm(float(np.exp(middle)), float(np.exp(middle + above)))


def disturbed(blocks: Sequence[Block]) -> dict[int, str]:
    """The disturbed ones of a run's blocks, by index, with what disturbed each."""
    known = {block.index: block.disturbance for block in blocks if block.disturbance is not None}
    levels = {name: calm([ns for each in known.values() for ns in getattr(each, name)]) for name in _CANARIES}
    steals = [share for each in known.values() if (share := _steal(each)) is not None]
    steal_limit = min(
        _STEAL_MOST, max(_STEAL_LEAST, _STEAL_TIMES * float(np.median(steals)) if steals else 0.0)
    )
    found = {index: _causes(each, levels, steal_limit) for index, each in known.items()}
    return {index: ", ".join(causes) for index, causes in found.items() if causes}


def _steal(each: Disturbance) -> float | None:
    return each.steal_share if each.elapsed_s >= _STEAL_FROM_S else None


def _causes(each: Disturbance, levels: Mapping[_Canary, Calm | None], steal_limit: float) -> list[str]:
    causes = []
    for name, level in levels.items():
        worst_ns = max(getattr(each, name))
        if level is not None and worst_ns > level.limit_ns:
            causes.append(
                f"a fixed {_CANARIES[name]} took {worst_ns / level.median_ns:.1f} times as long as usual"
            )
    steal = _steal(each)
    if steal is not None and steal > steal_limit:
        causes.append(f"{100 * steal:.0f}% of the CPU time was stolen")
    if each.throttled_s is not None and each.throttled_s > _THROTTLED_SHARE * each.elapsed_s:
        causes.append(f"the CPU quota stopped it for {1e3 * each.throttled_s:.0f} ms")
    if each.thermal_events:
        causes.append("a hot core was slowed down")
    return causes
