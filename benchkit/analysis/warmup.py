"""Where a block's warm-up ends: a change-point test on its latencies and on its throughput.

What follows the fixed cut (`blocks.warmup`) is cut into BATCHES batches of equally many messages. Two series
are judged, the logarithms of the batches' median latencies and of the time between their last completions,
by Schruben's test for initialization bias (Operations Research 30 (1982) 569-590): the cumulative sum of
deviations from the mean is a Brownian bridge where the series is stationary, and with M its maximum, reached
at the share t of the series, M^2 / (3 t (1 - t)) follows Fisher's F with 3 degrees of freedom. The test is
taken both ways (faster or slower at first) on both series, each at a quarter of LEVEL. The long-run variance
comes from the second half, a trend taken out, as that of a first-order autoregression, whose coefficient is
corrected for its bias (Marriott and Pope, Biometrika 41 (1954) 390-402); neighbouring messages share a queue,
so their batches are not independent either, and the fewer independent ones they are worth, the fewer degrees
of freedom the test has.

Where the test claims a change, the series is cut where a mean before and a mean after it fit best (least
squares), and what is left is tested again, until nothing is claimed: a slow decay is cut in steps. Changes
that move the median or the rate by less than LEAST_CHANGE are left in.

- A change within the bound (`blocks.warmup_max`) ends the warm-up: all messages before it are cut.
- A change beyond it: the block is not settled. The fixed cut stands and the block says so.
- Latency that still rises at the block's end is no warm-up but load beyond the capacity, and no cut could
  mend that: the fixed cut stands, the block is not settled, and `growing` says why.
- A schedule that changes by itself (a ramp, a trace, long bursts) makes latencies change: where the gaps
  between due moments of an open loop fail the same test, taken as independent, the fixed cut stands and
  nothing is claimed.
- Fewer than LEAST_MESSAGES delivered messages, or a schedule that left no room: the fixed cut stands.

Does choosing the cut by the data bias the result? Each block is judged by itself, by a test that asks for a
difference and not for a good value, in both directions; what a chance alarm cuts is at most the bound, a
third of the block as a rule, and it does so in one or two blocks of a hundred. A busy beginning is cut a
little more often than a quiet one, which lowers the mean of stationary queues by under 1% at 90% utilisation and
by less below (simulated, tests/truth/test_warmup.py), a small part of the width of any interval there. Where
a block is shorter than some twenty times the queue's memory (3,000 messages at 90% utilisation) no test can
tell a wandering queue from one that never settles; up to 8% of such steady blocks are called unsettled. One
unsettled block is therefore a remark; only where half of a cell's blocks or more say so is it a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy

from benchkit.analysis.ledger import Column, latency_ns
from benchkit.analysis.ledger import end_ns as ends_of
from benchkit.records.samples import Samples, Status

LEVEL: Final = 0.01
"""How often a steady block is found to change, at most."""
BATCHES: Final = 32
LEAST_MESSAGES: Final = 4 * BATCHES
LEAST_CHANGE: Final = 0.05
BOUND_SHARE: Final = 1 / 3
"""The bound as a share of the measured part, where the scenario names none; the second half is the yardstick."""
_LEAST_LEFT: Final = BATCHES // 2
_MOST_MEMORY: Final = 0.9
_STILL_RISING: Final = 0.5
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Warmup:
    """What to cut from one block."""

    messages: int
    """The first so many scheduled messages are warm-up."""
    settled: bool = True
    """The rest is steady as far as the test can see."""
    growing: bool = False
    """It is not, because latency still rose when the block ended."""


def find_warmup(samples: Samples, fixed: int, bound_ns: int, *, open_loop: bool) -> Warmup:
    """Where one block's warm-up ends; `samples` in the order in which they were due, shape (n,).

    `fixed` messages are cut in any case; no more than what was due within `bound_ns` of the first is.
    """
    rows = fixed + np.flatnonzero(samples["status"][fixed:] == Status.DELIVERED)
    if len(rows) < LEAST_MESSAGES or not _room(samples["due"], fixed, bound_ns):
        return Warmup(fixed)
    edges = np.linspace(0, len(rows), BATCHES + 1).astype(int)
    due = samples["due"][rows]
    if open_loop and _change(_durations(due, edges), most_memory=0.0):
        return Warmup(fixed)
    latency = np.log(np.maximum(1, _medians(latency_ns(samples[rows]), edges)))
    done = _durations(np.sort(ends_of(lambda name: samples[name][rows])), edges)
    cut = max(_settling(latency), _settling(done))
    if not cut:
        return Warmup(fixed)
    if open_loop and _growing(latency):
        return Warmup(fixed, settled=False, growing=True)
    if cut >= BATCHES or due[edges[cut]] - samples["due"][0] > bound_ns:
        return Warmup(fixed, settled=False)
    return Warmup(int(rows[edges[cut]]))


def _room(due: Column, fixed: int, bound_ns: int) -> bool:
    return bool(due[fixed] - due[0] < bound_ns)


def _medians(values: Column, edges: npt.NDArray[np.intp]) -> Floats:
    return np.array([float(np.median(part)) for part in np.split(values, edges[1:-1])])


def _durations(moments: Column, edges: npt.NDArray[np.intp]) -> Floats:
    """Logarithms of the time from the last moment of one batch to that of the next, shape (BATCHES,)."""
    last = moments[edges[1:] - 1]
    begun = moments[0] - (last[0] - moments[0]) // max(1, int(edges[1]) - 1)
    return np.log(np.maximum(1, np.diff(last, prepend=begun)).astype(np.float64))


def _settling(series: Floats) -> int:
    """How many batches to leave out until no change is seen; BATCHES where too few would be left."""
    cut = 0
    while found := _change(series[cut:]):
        cut += found
        if len(series) - cut < _LEAST_LEFT:
            return BATCHES
    return cut


def _change(series: Floats, most_memory: float = _MOST_MEMORY) -> int:
    """The number of values before a change of the mean of logarithms; 0 where none is claimed."""
    count = len(series)
    variance, freedom = _long_run_variance(series[count // 2 :], most_memory)
    bridge = np.cumsum(series - series.mean())[:-1]
    share = np.arange(1, count) / count
    if not _claimed(bridge / np.sqrt(count * variance), share, freedom):
        return 0
    split = int(np.argmax(bridge**2 / (share * (1 - share)))) + 1
    moved = abs(float(series[:split].mean() - series[split:].mean()))
    return split if moved >= np.log1p(LEAST_CHANGE) else 0


def _claimed(bridge: Floats, share: Floats, freedom: float) -> bool:
    peaks = (int(np.argmax(bridge)), int(np.argmin(bridge)))
    chances = [
        scipy.special.fdtrc(3, freedom, bridge[at] ** 2 / (3 * share[at] * (1 - share[at]))) for at in peaks
    ]
    return bool(min(chances) < LEVEL / 4)


def _long_run_variance(values: Floats, most_memory: float) -> tuple[float, float]:
    """n times the variance of a mean of n such values, and its degrees of freedom."""
    count = len(values)
    at = np.linspace(-1, 1, count)
    rest = values - values.mean() - at * (at @ values) / (at @ at)
    squares = max(float(rest @ rest), 1e-12 * count)
    memory = (float(rest[1:] @ rest[:-1]) / squares + 2 / count) / (1 - 4 / count)
    memory = min(max(memory, 0.0), most_memory)
    inflation = (1 + memory) / (1 - memory)
    return squares / (count - 2) * inflation, max(2.0, (count - 2) / inflation)


def _growing(latency: Floats) -> bool:
    """Latency rises from third to third of the block, at the end still half as fast as at first."""
    first, second, third = (float(part.mean()) for part in np.array_split(np.exp(latency), 3))
    return second > first and third - second > _STILL_RISING * (second - first)
