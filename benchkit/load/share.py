"""One schedule dealt out among several producers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def share(offsets_ns: npt.NDArray[np.int64], producer: int, producers: int) -> npt.NDArray[np.int64]:
    """Every `producers`-th due moment, from number `producer` (counted from 0) on: shape (about n/producers,), int64.

    The shares of all producers are the schedule, each moment once: no producer draws gaps of its own, which
    would make the sum of N smooth schedules a rough one. Moment i of producer p is number p + i * producers of
    the schedule. A share is a view of the schedule, and empty where there are more producers than moments.
    Raises ValueError where `producer` is no number from 0 to producers - 1.
    """
    if producers < 1:
        raise ValueError(f"{producers} producers: at least one is needed")
    if not 0 <= producer < producers:
        raise ValueError(f"producer {producer} of {producers}: they are counted from 0 to {producers - 1}")
    return offsets_ns[producer::producers]
