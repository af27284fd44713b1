"""What traffic control did in a block, told by its producers and by the rows of its workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from benchkit.engine.fan_in import Produced
from benchkit.records.samples import Samples, Status
from benchkit.records.seen import Traffic

_SUMS: Final = ("retries", "timed_out", "refused", "late")


def discard(samples: Samples, told: Mapping[str, int]) -> dict[str, int]:
    """Mark messages that vanished on the way as dropped, by option as many as `told`, the oldest first; how many.

    What vanished beyond what the transport says that it dropped stays lost.
    """
    gone = np.isin(samples["status"], (Status.LOST, Status.PENDING))
    vanished = np.flatnonzero(gone & (samples["sent"] != 0) & (samples["received"] == 0))
    found: dict[str, int] = {}
    for option, count in told.items():
        these, vanished = vanished[:count], vanished[count:]
        samples["status"][these] = Status.DROPPED
        found[option] = len(these)
    return found


def traffic_of(produced: Produced | None, samples: Samples, discarded: Mapping[str, int]) -> Traffic | None:
    """All producers together; None where no traffic was controlled. `samples` of shape (n,), the block's.

    `discarded` is what the transport dropped, by option.
    """
    told = produced.traffic if produced else ()
    if not told and not any(discarded.values()):
        return None
    drops: Counter[str] = Counter(discarded)
    for each in told:
        drops.update(each["drops"])
    # Without replies a producer does not hear what a worker found too old.
    there = int(np.count_nonzero(samples["status"] == Status.DROPPED)) - drops.total()
    if there > 0:
        drops["deadline"] += there
    return Traffic(
        drops={name: count for name, count in sorted(drops.items()) if count},
        **{name: sum(int(each[name]) for each in told) for name in _SUMS},
        waited_most=max((int(each["waited_most"]) for each in told), default=0),
        limit=_limit([each["limit"] for each in told if each["limit"]]),
    )


def _limit(told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if not told:
        return {}
    means = {name: sum(each[name] for each in told) / len(told) for name in ("mean", "last")}
    return {"least": min(each["least"] for each in told), **means}
