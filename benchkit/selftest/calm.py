"""Waiting, for a bounded time, until other programs leave a shared machine alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from benchkit.selftest.trials import OTHERS

MOST_S: Final = 15.0
_LOOK_S: Final = 0.5
_CALM_LOOKS: Final = 2


def wait_for_calm(
    most_s: float = MOST_S,
    busy: Callable[[], float] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Return when others used little of the cores twice in a row, or after `most_s`; whether it is calm.

    `busy` takes a while and says which share of all cores was used meanwhile, 0 to 1; nothing of ours runs then.
    """
    look = busy or busy_share
    end, calm = clock() + most_s, 0
    while calm < _CALM_LOOKS and clock() < end:
        calm = calm + 1 if look() <= OTHERS else 0
    return calm == _CALM_LOOKS


def busy_share() -> float:
    """Which share of all cores is used now, in half a second, 0 to 1."""
    import psutil

    return float(psutil.cpu_percent(_LOOK_S)) / 100
