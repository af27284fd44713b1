"""Values of independent rounds summed up: an estimate and its 95% interval.

As in `analysis.ranking`: where there are rounds enough for it Wilcoxon's signed ranks, with the median of the Walsh
averages (Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963) 598-611), for one round in which the
machine was elsewhere must not decide; with fewer the mean and Student's t.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis import signed_rank
from benchkit.analysis.intervals import ALPHA, Interval, mean_error, t_interval

LEAST_ROUNDS: Final = 3


def estimate(values: npt.NDArray[np.float64]) -> tuple[float, Interval]:
    """Center and 95% interval of one value a round, shape (n,), n >= LEAST_ROUNDS."""
    if signed_rank.bears_a_contrary_one(len(values), ALPHA):
        return signed_rank.center(values), signed_rank.interval(values, ALPHA)
    mean, error, freedom = mean_error(values)
    return mean, t_interval(mean, error, freedom)
