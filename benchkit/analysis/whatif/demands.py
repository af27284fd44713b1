"""Service demands of a cell at saturation, what each change makes of them, and the capacity that they bound.

A message visits the producer's thread, a worker's thread, the broker and, wherever it is, a core. The operational
bounds of Denning and Buzen ("The operational analysis of queueing network models", ACM Computing Surveys 10 (1978)
225-261; Lazowska et al., "Quantitative System Performance" (1984), chapter 5) hold whatever the distributions::

    X <= servers_k / D_k   for every resource k        X <= N / (R0 + Z)   with N messages in flight

D_k is how long a message keeps resource k, R0 a message's way without waiting, Z the think time. The bounds say
nothing of what is lost between them, so a prediction is the measured capacity times the ratio of the bounds after
and before the change: whatever kept the pipeline below its bound is thought to go on doing so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from benchkit.records.what_if import Figures

PRODUCING: Final = ("encode", "send")
WORKING: Final = ("transit", "decode", "compute", "reply")
_ESTIMATED: Final = frozenset({"cores", "interpreter"})
"""Made of CPU times, of which some may be spent beside each other: C code gives the lock up, a core has two threads."""
_CONTRADICTED: Final = 1.1
"""Such a resource whose utilisation would be above this is not what the model takes it for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that one message at a time, or `servers` of them, can keep busy."""

    name: str
    demand_us: float
    servers: float

    @property
    def saturates_per_s(self) -> float:
        """The rate at which it is busy all the time."""
        return self.servers * 1e6 / self.demand_us


@dataclass(frozen=True, slots=True)
class Demands:
    """What a message asks of each resource, microseconds; phases are those of the thread that does them."""

    phases_us: Mapping[str, float]
    """`encode` and `send` of the producer's thread; `transit`, `decode`, `compute` (a message's part of its batch)
    and `reply` of the worker's."""
    producer_rest_us: float
    worker_rest_us: float
    """What the threads do besides: replies seen, checksums, the loop itself."""
    cpu_us: Mapping[str, float]
    unloaded_us: float
    """A message's way from the producer's turning to it to its end, waits for other messages left out."""
    producers: int
    workers: int
    in_flight: int
    think_us: float
    cores: int
    one_process: bool
    """Producer and worker share an interpreter, and so its lock."""
    link_us: float = 0.0
    """A message's bytes over the rate of the link between the parties; 0 where none limits one."""

    @property
    def producer_us(self) -> float:
        """Of the producer's thread."""
        return sum(self.phases_us[name] for name in PRODUCING) + self.producer_rest_us

    @property
    def worker_us(self) -> float:
        """Of a worker's thread."""
        return sum(self.phases_us[name] for name in WORKING) + self.worker_rest_us

    def resources(self) -> list[Resource]:
        """All that a message needs; those that it does not are left out."""
        cpu = sum(self.cpu_us.values())
        lock = self.cpu_us.get("producer", 0.0) + self.cpu_us.get("stage", 0.0)
        found = [
            Resource("producer", self.producer_us, self.producers),
            Resource("stage", self.worker_us, self.workers),
            Resource("broker", self.cpu_us.get("broker", 0.0), 1),
            Resource("link", self.link_us, 1),
            Resource("cores", cpu, self.cores),
            Resource("interpreter", lock if self.one_process else 0.0, 1),
            Resource("in flight", self.unloaded_us + self.think_us, self.in_flight),
        ]
        return [each for each in found if each.demand_us > 0 and each.servers > 0]


def demands(
    saturated: Sequence[Figures], unloaded_us: float, *, producers: int, workers: int, in_flight: int,
    think_us: float, cores: int, one_process: bool, link_us: float = 0.0,
) -> Demands:  # fmt: skip
    """The demands of blocks (at least one) that were measured at saturation, as the capacity the median of them."""

    def middle(values: Sequence[float]) -> float:
        return median(values) / 1e3

    def phase(name: str) -> float:
        return middle([each.phase_means_ns[name] for each in saturated])

    fill = max(1.0, median(each.batch_fill for each in saturated))
    own = {name: phase(name) for name in (*PRODUCING, "transit", "decode")}
    # A batch is computed once and answered one after the other: the k-th waits for k replies.
    own |= {"compute": phase("compute") / fill, "reply": phase("reply") * 2 / (fill + 1)}
    cpu = {
        role: middle([each.cpu_ns.get(role, 0.0) for each in saturated])
        for role in ("producer", "stage", "broker")
    }
    # What the producer does for a reply is in no stamp; its CPU time holds it.
    producer = max(middle([each.producer_ns for each in saturated]), cpu["producer"])
    worker = middle([each.worker_ns for each in saturated])
    return Demands(
        own,
        max(0.0, producer - sum(own[name] for name in PRODUCING)),
        max(0.0, worker - sum(own[name] for name in WORKING)),
        cpu, unloaded_us, producers, workers, in_flight, think_us, cores, one_process, link_us,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """Demands that were held against a measured capacity."""

    demands: Demands
    capacity_per_s: float
    ignored: frozenset[str]
    """Resources that would have been more than busy: what was measured contradicts that they are one."""

    def bound(self, changed: Demands) -> Resource:
        """The resource that limits most."""
        return min(self.resources(changed), key=lambda each: each.saturates_per_s)

    def resources(self, changed: Demands) -> list[Resource]:
        """Those that the model goes by."""
        return [each for each in changed.resources() if each.name not in self.ignored]

    @property
    def explained(self) -> float:
        """The measured capacity over the bound."""
        return self.capacity_per_s / self.bound(self.demands).saturates_per_s

    def capacity(self, changed: Demands) -> tuple[float, str]:
        """Predicted capacity per second, and the resource that limits it then."""
        limit = self.bound(changed)
        return self.explained * limit.saturates_per_s, limit.name


def model(found: Demands, capacity_per_s: float) -> Model:
    """The demands with the capacity that was measured with them (above 0)."""
    beyond = {
        each.name
        for each in found.resources()
        if each.name in _ESTIMATED and capacity_per_s / each.saturates_per_s > _CONTRADICTED
    }
    return Model(found, capacity_per_s, frozenset(beyond))


def scaled(found: Demands, phase: str, factor: float, unloaded_phase_us: float) -> Demands:
    """The demands with one phase taking `factor` as long; its CPU time follows in proportion.

    `transit` is the worker's taking out and the broker's work; `return` the producer's seeing of replies.
    """
    less = 1 - factor
    cpu, phases = dict(found.cpu_us), dict(found.phases_us)
    rest = found.producer_rest_us
    if phase in PRODUCING:
        cpu["producer"] -= less * phases[phase] * _busy(cpu["producer"], found.producer_us)
    elif phase == "return":
        cpu["producer"] -= less * rest * _busy(cpu["producer"], found.producer_us)
        rest *= factor
    else:
        cpu["stage"] -= less * phases[phase] * _busy(cpu["stage"], found.worker_us)
        if phase == "transit":
            cpu["broker"] *= factor
    if phase in phases:
        phases[phase] *= factor
    return replace(
        found, phases_us=phases, cpu_us={role: max(0.0, each) for role, each in cpu.items()}, producer_rest_us=rest,
        unloaded_us=max(0.0, found.unloaded_us - less * unloaded_phase_us),
    )  # fmt: skip


def _busy(cpu_us: float, thread_us: float) -> float:
    """CPU time per time of a thread; a stage may use several cores."""
    return cpu_us / thread_us if thread_us else 0.0


def swapped(found: Demands, donor: Demands) -> Demands:
    """The demands with the donor's way of moving and packing; what the stage computes stays its own."""
    kept = found.phases_us["compute"] - donor.phases_us["compute"]
    cpu = dict(donor.cpu_us)
    cpu["stage"] = max(0.0, cpu["stage"] + kept * _busy(found.cpu_us["stage"], found.worker_us))
    return replace(
        donor, phases_us={**donor.phases_us, "compute": found.phases_us["compute"]}, cpu_us=cpu,
        unloaded_us=max(0.0, donor.unloaded_us + kept),
    )  # fmt: skip
