"""Which message is due next: by a schedule, or as places in flight come free."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchkit.engine.task import Task
from benchkit.load.base import ClosedArrival, OpenArrival

Schedule = npt.NDArray[np.int64]
"""Due moments of a block's messages, all producers together: ns from its start, ascending, shape (n,)."""


def drawn(load: OpenArrival | ClosedArrival, task: Task) -> Schedule | ClosedArrival:
    """What a producer runs: the schedule of an open load, a closed one as it is."""
    if isinstance(load, ClosedArrival):
        return load
    return load.offsets_ns(task.warmup_s + task.duration_s, task.schedule_seed)


class Dues(Protocol):
    """Due moments one after the other, ns of the stamps' clock."""

    @property
    def next_ns(self) -> int | None:
        """The next one; None where there is none, or none yet."""

    @property
    def over(self) -> bool:
        """There will be no further one."""

    def take(self) -> int:
        """The next one, which is taken."""

    def left(self) -> list[int]:
        """Those that are known and were not taken."""


class Scheduled:
    """An open loop's."""

    def __init__(self, dues_ns: Sequence[int]) -> None:
        self._dues_ns = dues_ns
        self._at = 0

    @property
    def next_ns(self) -> int | None:
        """See Dues.next_ns."""
        return self._dues_ns[self._at] if self._at < len(self._dues_ns) else None

    @property
    def over(self) -> bool:
        """See Dues.over."""
        return self._at >= len(self._dues_ns)

    def take(self) -> int:
        """See Dues.take."""
        self._at += 1
        return self._dues_ns[self._at - 1]

    def left(self) -> list[int]:
        """See Dues.left."""
        return list(self._dues_ns[self._at :])


class Places:
    """A closed loop's: a message is due `think_ns` after a place came free, as long as that is before `end_ns`."""

    def __init__(self, freed_ns: deque[int], think_ns: int, end_ns: int) -> None:
        self._freed_ns = freed_ns
        self._think_ns = think_ns
        self._end_ns = end_ns

    @property
    def next_ns(self) -> int | None:
        """See Dues.next_ns."""
        due_ns = self._freed_ns[0] + self._think_ns if self._freed_ns else None
        return None if due_ns is None or due_ns >= self._end_ns else due_ns

    @property
    def over(self) -> bool:
        """See Dues.over; places come free in the order of time."""
        return bool(self._freed_ns) and self._freed_ns[0] + self._think_ns >= self._end_ns

    def take(self) -> int:
        """See Dues.take."""
        return self._freed_ns.popleft() + self._think_ns

    def left(self) -> list[int]:
        """A place without a message is no message."""
        return []
