"""What was seen of parties, broker, link and machine during a block, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Usage:
    """What one role used during a block's measured part; spinning until the next due moment is not in `cpu_ns`."""

    cpu_ns: int
    peak_rss_bytes: int
    integrity_ns: int = 0
    """Time spent on checksums outside the stamped phases."""
    pacing_cpu_ns: int = 0
    rss_bytes: int = 0
    """Resident memory at the block's end; 0 where it is unknown."""
    spin_ns: int = 0
    """Part of `cpu_ns`, by the clock: the transport's ends looking again and again for what they waited for."""
    # What follows is of single processes (`Block.parties`); None is what the kernel, or Python, did not say.
    over_ns: int | None = None
    """The stretch over which all of this was counted; it holds the measured part and a little more."""
    messages: int | None = None
    """Messages that the process finished with in that stretch."""
    runnable_ns: int | None = None
    """Ready to run and without a core, all threads together."""
    voluntary_switches: int | None = None
    """Gave its core away, to wait for something."""
    involuntary_switches: int | None = None
    """Had its core taken away."""
    minor_faults: int | None = None
    major_faults: int | None = None
    """Those that had to read from a disk."""
    gc_pause_ns: int | None = None
    """Python's garbage collector at work, all collections together."""
    gc_pauses: int | None = None
    gc_longest_ns: int | None = None
    threads: int | None = None
    """Threads that it had at the end of the stretch."""
    thread_cpu_ns: int | None = None
    """CPU time of the one thread that sends or serves; of a broker, of its busiest thread."""
    thread_runnable_ns: int | None = None
    """For how long that thread was ready to run and had no core."""
    gil_wait_at_most_ns: int | None = None
    """What that thread can have waited for the interpreter at most: what the other threads of its process ran or
    were ready to run, and what it did not run itself. CPython counts no such waits: nothing says more."""
    shares_process: bool = False
    """It is a thread of a process that other parties live in: memory is the process's, all else the thread's."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a party at a known moment and may explain a slow message."""

    at_ns: int
    """When it began, on the clock of the stamps."""
    duration_ns: int
    """How long it lasted; of something that happened at an unknown moment, the stretch within which it did."""
    party: str
    """A key of `Block.parties`."""
    kind: str
    """`gc`: the garbage collector ran; `broker`: the broker's own counters tell of it; `fault`: it was injected."""
    what: str
    """For people: "generation 2, 1,234 objects collected"."""


@dataclass(frozen=True, slots=True)
class BrokerCounts:
    """What a broker's own counters grew by around a block, warm-up and other clients included; None: not told."""

    received_bytes: int | None = None
    sent_bytes: int | None = None
    commands: int | None = None
    memory_bytes: int | None = None
    """What its data takes at the end."""
    evicted_keys: int | None = None
    rejected_connections: int | None = None
    forks: int | None = None
    """Copies of itself that it made, to write its data to a disk or to a replica."""
    delayed_fsyncs: int | None = None


@dataclass(frozen=True, slots=True)
class InFlight:
    """Messages under way as the producers counted them: by counting, and by no clock."""

    sends: int
    """Measured messages that were sent, all producers together."""
    seen: int
    """How many of its own messages a producer had under way when it turned to each of them, summed."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What the machine did around and during a block; a value is None where the kernel does not say.

    The canary is a fixed piece of work, timed just before and just after the block: nothing but the machine
    can make it slower.
    """

    spin_ns: tuple[int, int]
    """The fixed spin (Python integer arithmetic), before and after."""
    memcpy_ns: tuple[int, int]
    """The fixed copy, before and after."""
    elapsed_s: float
    """Between the two."""
    steal_share: float | None = None
    """Of the CPU time of all cores, what the hypervisor gave to other guests."""
    throttled_s: float | None = None
    """Time for which the group's CPU quota stopped its threads."""
    thermal_events: int | None = None
    """How often a core was slowed down because it was hot."""
    waited_s: float | None = None
    """How long the runner was ready to run and had no core."""


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """What an external stage's own counters grew by during a block, warm-up and other clients included."""

    requests: int
    queue_ns: int
    compute_ns: int
    """Its handling of inputs and outputs included."""


@dataclass(frozen=True, slots=True)
class LinkWay:
    """What one direction of a link did during a block, as the link itself measured it."""

    bytes: int
    """Handed on."""
    packets: int
    """Datagrams, or pieces of a stream as they were read."""
    lost: int = 0
    overflowed: int = 0
    """Datagrams for which its queue had no room."""
    duplicated: int = 0
    reordered: int = 0
    blacked_out: int = 0
    """Datagrams lost, or pieces of a stream held back, in a blackout."""
    delay_us: Mapping[str, float] = field(default_factory=dict)
    """count; mean, p50, p90, p99, max of the delay added; nothing where nothing passed."""
    waited_us: Mapping[str, float] = field(default_factory=dict)
    """The same of waiting for the rate, and being let through by it."""
    busy_s: float = 0.0
    """Time for which the rate had something to do."""
    rate_bytes_per_s: float | None = None
    """What passed while more was waiting, by its time; None where too little was."""


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """One link of a block: of the producer or of the stage."""

    side: str
    up: LinkWay
    down: LinkWay
    connections: int
    elapsed_s: float
    """From opening it to asking it, warm-up and drain included."""
    kernel_lost: int | None = None
    """Datagrams that the kernel lost before the link saw them."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What traffic control did in a block, all producers together, warm-up included."""

    drops: Mapping[str, int] = field(default_factory=dict)
    """Dropped messages by what dropped them: `drop-oldest`, `drop-newest`, `latest-only`, `deadline`, `rate`,
    `timeout`, `retries`; `transport` where that drops by itself. Together they are the account's `dropped`."""
    retries: int = 0
    """Further attempts."""
    timed_out: int = 0
    """Attempts without a reply in time."""
    refused: int = 0
    """Attempts that the other side refused (503 and the like)."""
    late: int = 0
    """Replies to attempts that had been given up, or to messages that another attempt's reply had settled."""
    waited_most: int = 0
    """The most messages that ever waited in one producer."""
    limit: Mapping[str, float] = field(default_factory=dict)
    """`least`, `mean`, `last` of a limit in flight that adapts; of several producers the smallest and the means."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a process held when a block was over and its ends were closed; None is what the system did not say."""

    rss_bytes: int | None = None
    anonymous_bytes: int | None = None
    """Resident memory of no file and shared with nobody by name: the heap and the stacks, where leaks are."""
    pss_bytes: int | None = None
    """Resident memory, of what several processes share each its part."""
    descriptors: int | None = None
    threads: int | None = None
