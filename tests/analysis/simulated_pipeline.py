"""A pipeline simulated event by event: what a change really makes of it is had by simulating it changed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from benchkit.records.samples import SAMPLE, Samples, Status
from benchkit.records.seen import Usage

WORK_US: Mapping[str, float] = {
    "encode": 150, "send": 60, "transit": 120, "decode": 180, "compute": 900, "reply": 50, "return": 40,
}  # fmt: skip


@dataclass(frozen=True)
class Pipeline:
    """One producer, workers that take messages in order, replies; times in microseconds."""

    work_us: Mapping[str, float] = field(default_factory=lambda: dict(WORK_US))
    in_flight: int = 4
    workers: int = 1
    cv: float = 0.0
    """Of every service time: lognormal."""
    rate_per_s: float | None = None
    """Poisson arrivals instead of the closed loop."""
    messages: int = 400

    def with_(self, **changed_us: float) -> Pipeline:
        return replace(self, work_us={**self.work_us, **changed_us})

    def run(self, seed: int = 0) -> Samples:
        """One block's samples, delivered all."""
        rng = np.random.default_rng(seed)
        drawn = {name: self._times(rng, us) for name, us in self.work_us.items()}
        due = iter(self._due(rng))
        places = [0.0] * self.in_flight
        free, workers = 0.0, [0.0] * self.workers
        rows = np.zeros(self.messages, SAMPLE)
        for at in range(self.messages):
            time = {name: float(values[at]) for name, values in drawn.items()}
            owed = next(due) if self.rate_per_s else heapq.heappop(places)
            taken = max(owed, free)
            encoded = taken + time["encode"]
            free = sent = encoded + time["send"]
            worker = min(range(self.workers), key=workers.__getitem__)
            asked = workers[worker]
            received = max(asked, sent) + time["transit"]
            decoded = received + time["decode"]
            finished = decoded + time["compute"]
            workers[worker] = replied = finished + time["reply"]
            returned = replied + time["return"]
            heapq.heappush(places, returned)
            stamps = (
                owed,
                taken,
                encoded,
                sent,
                asked,
                received,
                decoded,
                decoded,
                finished,
                replied,
                returned,
            )
            for name, moment in zip(_STAMPS, stamps, strict=True):
                rows[name][at] = int(1e9 + moment * 1e3)
            rows["worker"][at], rows["seq"][at] = worker, at
        rows["status"] = Status.DELIVERED
        rows["warmup"][: self.messages // 10] = True
        return rows

    def usage(self, messages: int | None = None) -> dict[str, Usage]:
        """CPU time as if all work but a sleeping stage's were done by the CPU; of so many messages."""
        count = messages if messages is not None else self.messages - self.messages // 10
        producer = sum(self.work_us[name] for name in ("encode", "send", "return"))
        stage = sum(self.work_us[name] for name in ("transit", "decode", "reply"))
        return {
            "producer": Usage(int(producer * 1e3 * count), 1),
            "stage": Usage(int(stage * 1e3 * count), 1),
        }

    def capacity_per_s(self, seed: int = 99) -> float:
        """By a long run of the closed loop."""
        rows = replace(self, rate_per_s=None, messages=4000).run(seed)
        kept = rows[~rows["warmup"]]
        return (len(kept) - 1) * 1e9 / float(kept["returned"].max() - kept["returned"].min())

    def _times(self, rng: np.random.Generator, us: float) -> np.ndarray:
        if not self.cv or not us:
            return np.full(self.messages, us)
        sigma2 = np.log1p(self.cv**2)
        return us * rng.lognormal(-sigma2 / 2, np.sqrt(sigma2), self.messages)

    def _due(self, rng: np.random.Generator) -> Iterator[float]:
        if self.rate_per_s:
            yield from np.cumsum(rng.exponential(1e6 / self.rate_per_s, self.messages)).tolist()


_STAMPS = (
    "due", "taken", "encoded", "sent", "asked", "received", "decoded", "started", "finished", "replied", "returned",
)  # fmt: skip
