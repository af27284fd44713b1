"""What a party is told: one block of one cell, as plain data that crosses the control channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchkit.transports.base import Address


@dataclass(frozen=True, slots=True)
class Task:
    """One block, for producer and workers alike. Plug-ins are named by their `config()`."""

    cell: str
    source: Mapping[str, Any]
    codec: Mapping[str, Any]
    transport: Mapping[str, Any]
    stage: Mapping[str, Any]
    load: Mapping[str, Any]
    where: Mapping[str, Any]
    """The transport's address."""
    first_seq: int
    batch_size: int
    batch_delay_s: float
    replies: bool
    duration_s: float
    warmup_s: float
    drain_s: float
    payload_seed: int
    schedule_seed: int
    stage_seed: int
    checksum_every: int
    stop_on_error: bool
    one_process: bool
    """Producer and worker are threads of one process: who spins holds the other up, CPU time is a thread's."""
    external_stage: bool = False
    """No worker of ours runs: the transport's other side is a server of somebody else's."""
    warmup_max_s: float = 0.0
    """Warm-up may be found to end as late as this; no later than `warmup_s`: only that is cut."""
    hold: bool = False
    """Workers begin when the producer has handed over what it can."""
    profile: bool = False
    """Run under a profiler; such a block is no measurement."""
    profile_folder: str = ""
    """Of such a block: where a stage's own profiler may write while it lasts."""
    producers: int = 1
    producer: int = 0
    """Which of the producers this task is for; workers do not look at it."""
    start_ns: int = 0
    """When the schedule begins, for all producers; 0: as soon as the one producer is ready."""
    stamps: bool = True
    """Read the clock where a stamp is due. Without, a block shows what that costs (`engine.observer`); only
    `due` and `returned`, by which a closed loop goes, are moments then. Needs replies."""
    checksums: bool = True
    """Check what arrived. Without, likewise."""
    slow: Mapping[str, int] | None = None
    """Nanoseconds to add to phases (`engine.slowing`), 0 for those that the experiment slows in other blocks; such
    a block is no measurement."""

    flow: Mapping[str, Any] | None = None
    """Traffic control, as FlowOptions take it, credits filled in; None: messages go straight to the transport."""

    def plain(self) -> dict[str, Any]:
        """For the channel."""
        return asdict(self)

    led: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Where a link leads a side another way: `where` and `link_ports` of its parties; see `of_side`."""
    link_ports: Collection[int] = ()
    """Every connection that this party opens leads to one of these; none without a link."""

    chain: Sequence[Mapping[str, Any]] = ()
    """All hops of a pipeline, in the order of `engine.chain`; workers get `hop` and `onward` in its place."""
    hop: int = 0
    """Which of a pipeline's hops this worker serves."""
    onward: Sequence[Mapping[str, Any]] = ()
    """The ways to the stages that this one feeds: `name`, `transport`, `codec`, `where`, `senders`."""

    @property
    def address(self) -> Address:
        """As the transport's ends take it."""
        return Address(self.where)

    def of_side(self, side: str) -> Task:
        """For the parties of one side, `producer` or `stage`: with a link between, its way is their address."""
        led = self.led.get(side)
        return replace(self, led={}, **led) if led else replace(self, led={})
