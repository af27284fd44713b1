"""What the engine knew, as plain data: the run, its cells, their blocks. Analysis needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchkit.records.samples import Samples


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
class Usage:
    """What one role used during a block's measured part; spinning until the next due moment is not in `cpu_ns`."""

    cpu_ns: int
    peak_rss_bytes: int
    integrity_ns: int = 0
    """Time spent on checksums outside the stamped phases."""
    pacing_cpu_ns: int = 0


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
    delivery: Literal["at-most-once", "at-least-once", "exactly-once-observed"]
    durability: str
    ordering: str
    zero_copy: bool
    lossy: bool
    path: str
    """What was really used: server and version, kind of socket."""
    has_broker: bool = False
    """Its messages pass through a broker, one of ours or the user's own."""
    stage_facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""
    """Why it could not be measured at all; empty when it was."""
    skipped_remedy: str = ""
    producers: int = 1
    """Processes that sent the messages of the one schedule."""
    floor: str = ""
    """Which of Floor.paths_us lies beneath its transport; empty where none does."""


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
    paths_us: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Medians of raw exchanges: by the path's name (see Cell.floor), then by bytes; `exchange` (over and one byte
    back) and `one_way`, in microseconds.
    """


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
