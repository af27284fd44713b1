"""What a measured block says to rules: counters that go on from block to block, and figures of the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from benchkit.alerts.observation import Observation
from benchkit.analysis.account import account, fates
from benchkit.analysis.live import live
from benchkit.analysis.results import Results, results
from benchkit.records.run import Block
from benchkit.records.samples import Samples

COUNTED: Final = ("lost", "dropped", "rejected", "dead_lettered", "duplicated", "corrupted")
"""Of an account: `benchkit_<name>_total`."""
OBJECTIVES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
"""The share of messages that a percentile promises something of. `max` leaves no budget to burn."""


class Outcomes:
    """The counters of one cell."""

    def __init__(self, pipeline: str, slo: Mapping[str, float]) -> None:
        self._labels = {"pipeline": pipeline}
        self._slo = slo
        self._counts: Counter[str] = Counter()
        self._good: Counter[str] = Counter()
        self._all: Counter[str] = Counter()

    def counters(self, now_ns: int) -> Iterator[Observation]:
        """As they stand; also before the first block, so that it is known what they began with."""
        for name in COUNTED:
            yield Observation(now_ns, f"benchkit_{name}_total", self._labels, float(self._counts[name]))
        for name, objective in self._objectives():
            labels = {**self._labels, "promise": name, "objective": f"{objective:g}"}
            yield Observation(now_ns, "benchkit_slo_good_total", labels, float(self._good[name]))
            yield Observation(now_ns, "benchkit_slo_total", labels, float(self._all[name]))

    def after(self, block: Block, messages: Samples, now_ns: int) -> Iterator[Observation]:
        """Of one more block; `messages` are its rows, one for each message."""
        counted = account(fates(messages), [block])
        self._counts.update({name: counted[name] for name in COUNTED})
        for own in results(messages):
            yield from self._figures(own, now_ns)
        fresh, _ = live(messages)
        if fresh.staleness_mean_ns is not None:
            age_s = fresh.staleness_mean_ns / 1e9
            yield Observation(now_ns, "benchkit_frame_age_seconds", self._labels, age_s)
        yield from self.counters(now_ns)

    def _objectives(self) -> Iterator[tuple[str, float]]:
        for name, limit in self._slo.items():
            if name in OBJECTIVES:
                yield name, OBJECTIVES[name]
            elif name == "loss" and 0 < limit < 1:
                yield name, 1.0 - limit

    def _figures(self, own: Results, now_ns: int) -> Iterator[Observation]:
        counted = own.delivered & own.measured
        latency_s = (own.end_ns[counted] - own.due_ns[counted]) / 1e9
        for name, _ in self._objectives():
            kept = len(latency_s) if name == "loss" else int(np.count_nonzero(latency_s <= self._slo[name]))
            self._good[name] += kept
            self._all[name] += int(np.count_nonzero(own.measured))
        if len(latency_s):
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                value = float(np.quantile(latency_s, share))
                yield Observation(now_ns, f"benchkit_latency_{name}_seconds", self._labels, value)
