"""What the engine knew, as plain data: the run, its cells, their blocks. Analysis needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchkit.records.faults import LeftOut, Trials
from benchkit.records.profile import Profile
from benchkit.records.samples import Samples
from benchkit.records.seen import (
    BrokerCounts,
    Disturbance,
    Event,
    Holding,
    InFlight,
    LinkSeen,
    ServerTimes,
    Traffic,
    Usage,
)
from benchkit.records.what_if import Figures, Slowed, WhatIf


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong in a block, with how often; shown to people, tracebacks kept in the record."""

    party: str
    """`producer`, `producer-1`, `stage-0`, `broker`, `runner`."""
    type: str
    what: str
    remedy: str = ""
    traceback: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """One uninterrupted stretch of one cell."""

    cell: str
    index: int
    """Place in the run's order, from 0."""
    round: int
    started_ns: int
    """When the first message was due, on the clock of the stamps."""
    ended_ns: int
    """When the last message was accounted for, or the drain was given up."""
    scheduled: int
    offered_per_s: float | None
    """Asked rate; None in a closed loop."""
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    unexpected: int = 0
    wrong_replies: int = 0
    """Replies that differ from the stage run locally on the same input."""
    checked_replies: int = 0
    starved: int = 0
    """Messages that the source had not ready when they were due."""
    drained: bool = True
    """Everything sent was accounted for before the drain's time was up."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """By role: producer (all together, of their memory the largest), stage (all workers together), broker."""
    failures: tuple[Failure, ...] = ()
    warmup_messages: int = 0
    warmup_s: float = 0.0
    """From the first due moment to that of the first message that counts: what was really cut."""
    warmup_settled: bool = True
    """What was kept is steady, as far as the change-point test can see."""
    latency_growing: bool = False
    """It is not, because latency still rose when the block ended: load beyond the capacity, not warm-up."""
    schedule_seed: int = 0
    """What its due moments were drawn with."""
    disturbance: Disturbance | None = None
    ran_on: Mapping[str, int] = field(default_factory=dict)
    """The core on which each process ran last when its part of the block was over, by role."""
    claimed: Mapping[str, str] = field(default_factory=dict)
    """What the transport's `prepare` said that its ends would use: family, server, mechanism, ..."""
    paths: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What each end really used, by role, as far as it could say; `opened` is what the engine saw itself."""
    level_per_s: float | None = None
    """The rate that a search tried in this block; None for the block that told it where to begin."""
    foreign: int = 0
    """Messages of other clients that the stage answered meanwhile; they are in no other count."""
    server: ServerTimes | None = None
    """Of an external stage that keeps counters."""
    links: tuple[LinkSeen, ...] = ()
    """What the links that were put between its parties did."""
    parties: Mapping[str, Usage] = field(default_factory=dict)
    """By process: `producer-0`, ..., `stage-0`, ..., `broker`. Each over a stretch of its own (`Usage.over_ns`)
    that holds the measured part, so that sums over parties are not those of `usage`."""
    events: tuple[Event, ...] = ()
    """By moment; of each party the longest of the stretch, so that a long block has no more than a short one."""
    cores: Mapping[str, float] | None = None
    """Share of the block for which each core, by its number, was busy with anything; None: not told."""
    broker: BrokerCounts | None = None
    in_flight: InFlight | None = None
    """None where there are no replies, or a producer died."""
    handled: int | None = None
    """Messages that the workers counted, warm-up included; None where one of them died, or none is ours."""
    gaps: Mapping[str, str] = field(default_factory=dict)
    """What could not be seen and why: `stage-0.runnable_ns`, `stage-1` (all of it), `cores`, `broker.counts`."""
    slowed: Slowed | None = None
    """A block of an experiment (Run.trials); no figure of the cell is made of it."""
    told: Mapping[str, Mapping[str, int | float | Mapping[str, int | float]]] = field(default_factory=dict)
    """By party: what its stage's messages showed, by name; counts, and spreads (analysis.told says of what)."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """What the ends of the transport counted of themselves, by role and by names of their own; warm-up included."""
    traffic: Traffic | None = None
    """What traffic control did; None where none was asked for."""
    hop_claims: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """As `claimed`, of the ends of a pipeline's later hops, by what `paths` calls them."""
    held: Mapping[str, Holding] = field(default_factory=dict)
    """By process (`runner`, `producer`, `stage-0`, ..., `broker`, `link`): what it held after the block. Empty where
    the block before was looked at less than a second ago."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A block that was measured to answer "what if": kept beside the cells' blocks and never among them."""

    number: int
    """Place in the order of trials, from 0."""
    mode: Literal["saturated", "paced"]
    """In a closed loop, or at the cell's own rate."""
    change: str
    """`transport=shm`, `codec=msgpack`, `workers=2`, `batch=8`; empty: the cell as it is."""
    in_flight: int | None
    """Of the closed loop."""
    block: Block
    """Of the cell that the question is about, `slowed` in an experiment."""
    figures: Figures | None
    """None where too few messages arrived."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a cell looked for, as the engine understood it, and how the search ended."""

    kind: Literal["capacity", "backlog"]
    slo: Mapping[str, float] = field(default_factory=dict)
    """Promises of a capacity search: seconds by name, `loss` as a share."""
    precision: float = 0.0
    random: bool = False
    """Its arrivals are random."""
    start_per_s: float = 0.0
    max_per_s: float = 0.0
    saturated_per_s: float | None = None
    """What a closed loop reached in one block, where that said where to begin."""
    ended: Literal["found", "time", "given-up", ""] = ""
    """Nothing left to try; its time was up; a block could not be measured; empty: the run ended first."""


@dataclass(frozen=True, slots=True)
class Psnr:
    """Peak signal-to-noise ratio, in decibels, of the arrays that a lossy codec changed."""

    mean: float
    worst: float
    arrays: int
    """How many changed, of all distinct messages together."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a traced system's files do not tell, or that their marks leave open."""

    code: Literal["trace-damaged", "trace-cut", "trace-not-ended", "trace-unmatched"]
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage of a pipeline and the way to it; its rows in the samples have its number as `hop`."""

    name: str
    stage: str
    workers: int
    transport: str
    codec: str
    after: str = ""
    """The stage that feeds it; empty: the producer."""
    batch_size: int = 1
    wire_bytes: int = 0
    """Bytes that its transport carries for one message, envelope included (mean of those made beforehand)."""
    delivery: str = ""
    has_broker: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination that was measured."""

    id: str
    group: str
    """Cells of one group carry the same payload under the same load and may be ranked together."""
    transport: str
    codec: str
    stage: str
    source: str
    load: str
    parameters: Mapping[str, Any]
    """Every option as resolved, nested plain data, secrets redacted."""
    workers: int
    replies: bool
    payload_bytes: int
    """Bytes of a message's tensors (mean over the distinct messages)."""
    wire_bytes: int
    """Bytes that the transport carries for one message, envelope included (mean)."""
    arrival: str
    delivery: Literal["at-most-once", "at-least-once", "exactly-once-observed", "unknown"]
    """Unknown where a system was traced that promised nobody anything."""
    durability: str
    ordering: str
    zero_copy: bool
    lossy: bool
    path: str
    """What was really used: server and version, kind of socket."""
    has_broker: bool = False
    """Its messages pass through a broker, one of ours or the user's own."""
    stage_facts: Mapping[str, Any] = field(default_factory=dict)
    external_stage: bool = False
    """The stage was a server of somebody else's: no worker of ours, no stamps but the producer's."""
    skipped: str = ""
    """Why it could not be measured at all; empty when it was."""
    skipped_remedy: str = ""
    producers: int = 1
    """Processes that sent the messages of the one schedule."""
    search: Search | None = None
    """What its load looked for; None where the load was given."""
    psnr_db: Psnr | None = None
    """Of what the decoder makes of the source's arrays; None where nothing was changed."""
    floor: str = ""
    """Which of Floor.paths_us lies beneath its transport; empty where none does."""
    link: Mapping[str, Any] | None = None
    """The link that was put between its parties, as asked: `name`, `side`, `up` and `down` (analysis.link says what
    they hold); None where there was none."""
    gaps: tuple[Gap, ...] = ()
    """Of a cell that was traced in code that people already run."""
    profile: Profile | None = None
    """What the profilers saw, in a block that is not among the measured ones; None where none was asked for."""
    hops: tuple[Hop, ...] = ()
    """Of a pipeline, each after the one that feeds it; `transport`, `codec`, `stage` and `workers` are then those
    of the first. None where there is one stage."""
    level: str = ""
    """How durable its messages are, in the transport's words ("AOF everysec"); empty where it says no more than
    `durability` does."""

    @property
    def all_workers(self) -> int:
        """Processes that run its stage, or its stages."""
        return sum(hop.workers for hop in self.hops) or self.workers

    @property
    def most_workers(self) -> int:
        """Of the stage that has most."""
        return max((hop.workers for hop in self.hops), default=self.workers)


@dataclass(frozen=True, slots=True)
class Floor:
    """What this machine can do at best, measured just before the run."""

    clock_ns: float
    """Cost of reading the clock."""
    memcpy_bytes_per_s: float
    wake_us: Mapping[str, float]
    """p50 and p99 of waking another process through a socket pair, one way, in microseconds."""
    null_us: Mapping[str, float]
    """p50 and p99 of an empty message through the engine and back (`inproc`, `null`)."""
    clock_granularity_ns: float = 0.0
    """The smallest difference other than 0 between two readings of the clock."""
    null_spread_us: float = 0.0
    """By how much the p50 of the empty message differs between pieces of one block: the same thing measured
    again. A difference between cells that is smaller is no finding."""
    paths_us: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Medians of raw exchanges: by the path's name (see Cell.floor), then by bytes; `exchange` (over and one byte
    back) and `one_way`, in microseconds.
    """


@dataclass(frozen=True, slots=True)
class Resumption:
    """The runner died and the run was taken up again."""

    block: int
    """Index of the first block after it; all parties were started anew before it."""
    kept_until_utc: str
    """The last checkpoint: blocks that were measured after it were measured again."""
    resumed_utc: str
    environment_changed: bool = False
    """The machine or the software is not the one on which the run began."""


@dataclass(frozen=True, slots=True)
class PluginUsed:
    """A plug-in that the scenario named, and where it comes from."""

    seam: str
    """transport, codec, source, stage, arrival."""
    kind: str
    target: str
    """`module:class`."""
    distribution: str
    version: str = ""


@dataclass(slots=True)
class Run:
    """A whole run: the header, the cells, the blocks; `samples` by cell id."""

    started_utc: str
    duration_s: float
    seed: int
    quick: bool
    scenario: dict[str, Any]
    environment: dict[str, Any]
    floor: Floor | None
    placement: dict[str, str]
    """Which cores each role was given, or that the machine has too few to pin."""
    slo: dict[str, float]
    """Promises of the scenario: p50, p99, ... in seconds; loss as a share."""
    cells: list[Cell] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    samples: dict[str, Samples] = field(default_factory=dict)
    interrupted: bool = False
    failures: list[Failure] = field(default_factory=list)
    """What went wrong outside any block."""
    measured_s: float = 0.0
    """From the first block's beginning to the last one's end, interruptions left out."""
    written_utc: str = ""
    """When this was written: at the last checkpoint, or at the end."""
    resumed: list[Resumption] = field(default_factory=list)
    seeds: dict[str, int] = field(default_factory=dict)
    """What `seed` became for the order of blocks, the payload and the stage; a block names its schedule's."""
    trials: list[Trial] = field(default_factory=list)
    """Blocks of `--what-if`, without their samples; in no cell's figures."""
    what_if: WhatIf | None = None
    """What was asked for them; None where nothing was."""
    budgets: tuple[str, ...] = ()
    """Further promises of the scenario, as benchkit.budgets reads them."""
    faults: Trials | None = None
    """Of `--faults`, in files of their own; None where no fault was done."""
    not_faulted: tuple[LeftOut, ...] = ()
    """Of `--faults`: what could not be done to which cell."""
    alerts: list[dict[str, Any]] | None = None
    """What the rules said while it was measured, in order: a Notice each, `delivered` with what became of it at each
    sink; None where no rules were set."""
    plugins: tuple[PluginUsed, ...] = ()
    """Whose code ran: what the scenario named, and nothing else was loaded to measure it."""
