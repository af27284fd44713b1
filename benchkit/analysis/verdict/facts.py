"""What the rules look at: one cell's means per message in microseconds, shares, and what lies beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchkit.analysis.link import NO_BURDEN, Burden, burden
from benchkit.analysis.measure import Measure
from benchkit.analysis.traffic import held_back_by
from benchkit.analysis.verdict.arrivals import Unevenness
from benchkit.analysis.verdict.busy import IDLE, Busy, busy
from benchkit.records.run import Block, Cell, Floor
from benchkit.records.samples import PHASES

ROLES = ("producer", "stage", "broker")


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one cell. A role that is missing in a mapping is unknown, which is not 0."""

    mean_us: Mapping[str, float]
    """By phase; they add up to the mean latency."""
    block_means_us: Sequence[Sequence[float]] = ()
    """One row a block, in the order of PHASES."""
    has_broker: bool = False
    replies: bool = True
    wire_bytes: int = 0
    batch_size: int = 1
    busy: Busy = IDLE
    stage_work_us: float = 0.0
    """What the stage worked for a message: decoding, computing, replying; a batch counts once."""
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    """By role, per message; without pacing, without the transport's spinning."""
    thread_cpu_us: Mapping[str, float] = field(default_factory=dict)
    """Of `cpu_us`, that of the one thread that sends or serves."""
    sender_cpu_us: float | None = None
    """Of the producer's `cpu_us`, that of the one thread that sends: nobody else's can explain how long it took."""
    integrity_us: float = 0.0
    """Part of the stage's CPU: checksums after the reply."""
    waiting_us: Mapping[str, float] = field(default_factory=dict)
    """By role, per message: the thread that sends or serves was ready to run and had no core."""
    gc_us: Mapping[str, float] = field(default_factory=dict)
    """By role, per message: Python's garbage collector at work."""
    switches: Mapping[str, float] = field(default_factory=dict)
    """By role, per message: how often it gave up its core to wait for something."""
    closed: bool = False
    """A closed loop: the answers set the pace, and what waits is what was put in flight."""
    arrivals_cv: float | None = None
    """Of the gaps between due moments in an open loop; None in a closed one, where the answers set the pace."""
    service_cv: float | None = None
    floor_one_way_us: float | None = None
    """The same bytes moved by hand over the path beneath the transport."""
    wake_us: float | None = None
    """Waking a sleeping process, p50."""
    null_us: float | None = None
    """An empty message through the engine and back, p50."""
    memcpy_bytes_per_s: float | None = None
    p50_us: float | None = None
    link: Burden = NO_BURDEN
    """What the link that was put between the parties costs a message; nothing where there is none."""
    held_back_by: str = ""
    """Limits of the producer's own traffic control, in words; empty where there are none."""
    stage: str = ""
    """The stage of a pipeline that stands for the stage here; empty where there is one."""
    fed_by: str = ""
    """The stage before it; empty: the producer."""

    @property
    def latency_us(self) -> float:
        """The mean."""
        return sum(self.mean_us.values())

    def share(self, phase: str) -> float:
        """Of the mean latency, 0 to 1."""
        whole = self.latency_us
        return self.mean_us.get(phase, 0.0) / whole if whole > 0 else 0.0

    @property
    def carrier(self) -> str:
        """Whose the way of a message is."""
        return "broker" if self.has_broker else "link"


def gather(
    cell: Cell, blocks: Sequence[Block], measure: Measure, uneven: Unevenness, floor: Floor | None
) -> Facts:
    """The facts of a cell that was measured."""
    count = max(1, measure.latency.count)
    cpu = _per_message(blocks, "cpu_ns", count)
    spun = _per_message(blocks, "spin_ns", count)
    own = _summed(blocks, "producer", "cpu_ns")
    p50 = measure.latency.quantiles_ns["p50"]
    each_ns = measure.span_ns / count
    closed = all(block.offered_per_s is None for block in blocks)
    return Facts(
        mean_us={name: measure.phases[name].mean_ns / 1e3 for name in PHASES},
        block_means_us=tuple(
            tuple(ns / 1e3 for ns in block.phase_means_ns) for block in measure.blocks if block.count
        ),
        has_broker=cell.has_broker,
        replies=cell.replies,
        wire_bytes=cell.wire_bytes,
        batch_size=_batch_size(cell),
        busy=busy(measure, cell.workers, own, producers=cell.producers),
        stage_work_us=measure.stage_busy_ns / count / 1e3,
        cpu_us={role: max(0.0, each - spun.get(role, 0.0)) for role, each in cpu.items()},
        thread_cpu_us={
            role: ran for role in ROLES if (ran := _thread_cpu_us(blocks, role, each_ns)) is not None
        },
        sender_cpu_us=_thread_cpu_us(blocks, "producer", each_ns),
        integrity_us=_per_message(blocks, "integrity_ns", count).get("stage", 0.0),
        waiting_us=_of_parties(blocks, "thread_runnable_ns", each_ns),
        gc_us=_of_parties(blocks, "gc_pause_ns", each_ns),
        switches={
            role: each * 1e3 for role, each in _of_parties(blocks, "voluntary_switches", each_ns).items()
        },
        closed=closed,
        arrivals_cv=None if closed else uneven.arrivals,
        service_cv=uneven.service,
        floor_one_way_us=_one_way_us(cell, floor),
        wake_us=floor.wake_us.get("p50") if floor else None,
        null_us=floor.null_us.get("p50") if floor else None,
        memcpy_bytes_per_s=floor.memcpy_bytes_per_s if floor else None,
        p50_us=None if p50 is None else p50 / 1e3,
        link=burden(cell, blocks),
        held_back_by=held_back_by(cell),
    )


def _batch_size(cell: Cell) -> int:
    batch = cell.parameters.get("batch")
    return int(batch.get("size", 1)) if isinstance(batch, Mapping) else 1


def _summed(blocks: Sequence[Block], role: str, name: str) -> int | None:
    """Over the blocks; None where one of them does not know."""
    used = [getattr(block.usage[role], name, None) for block in blocks if role in block.usage]
    known = [each for each in used if each is not None]
    return sum(known) if known and len(known) == len(used) else None


def _per_message(blocks: Sequence[Block], name: str, count: int) -> dict[str, float]:
    """Microseconds (of a count: thousandths) by role, roles that are unknown left out."""
    totals = {role: _summed(blocks, role, name) for role in ROLES}
    return {role: total / count / 1e3 for role, total in totals.items() if total is not None}


def _of_parties(blocks: Sequence[Block], name: str, each_ns: float) -> dict[str, float]:
    """Microseconds (of a count: thousandths) a message by role; `each_ns` is the time that one message stands for.

    A process counts over a stretch a little longer than the measured part: what counts is how much in a second.
    """
    found: dict[str, float] = {}
    for role in ROLES:
        own = [
            use for block in blocks for party, use in block.parties.items() if party.partition("-")[0] == role
        ]
        told = [(getattr(use, name), use.over_ns) for use in own]
        known = [(value, over) for value, over in told if value is not None and over]
        if known and len(known) == len(own):
            per_block = sum(value / over for value, over in known) / max(1, len(blocks))
            found[role] = per_block * each_ns / 1e3
    return found


def _thread_cpu_us(blocks: Sequence[Block], role: str, each_ns: float) -> float | None:
    ran = _of_parties(blocks, "thread_cpu_ns", each_ns).get(role)
    if ran is None:
        return None
    idle = (_of_parties(blocks, name, each_ns).get(role, 0.0) for name in ("pacing_cpu_ns", "spin_ns"))
    return max(0.0, ran - sum(idle))


def _one_way_us(cell: Cell, floor: Floor | None) -> float | None:
    found = floor.paths_us.get(cell.floor, {}).get(str(cell.wire_bytes)) if floor and cell.floor else None
    return found.get("one_way") if found else None
