"""What this machine can do at best, measured in under a second just before a run."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchkit.engine.beneath import paths_us
from benchkit.engine.block import run_block
from benchkit.engine.crew import Crew
from benchkit.engine.ready import ReadyCell, make_ready
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.errors import PartyError
from benchkit.load.closed import Closed
from benchkit.records.run import Block, Floor
from benchkit.records.samples import Samples, Status
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.inproc import Inproc

_CLOCK_READS = 20_000
_COPY_BYTES = 32 << 20
_COPIES = 8
_WAKES = 200
_NULL_S = 0.12
_TRIES = 5
"""A machine that is busy enough lets so short a block pass without one message."""
_PIECES = 5


def measure(crew: Crew, site: Site, cells: Sequence[ReadyCell] = ()) -> Floor:
    """Clock, memory, wake-up, an empty message through the engine and back, and the floor beneath each cell."""
    null_us, spread_us = _null_us(crew, site)
    return Floor(
        _clock_ns(), _memcpy_bytes_per_s(), _wake_us(crew), null_us, _clock_granularity_ns(), spread_us,
        paths_us(crew, site, cells),
    )  # fmt: skip


def _null_us(crew: Crew, site: Site) -> tuple[dict[str, float], float]:
    """Round trip of 64 bytes through `inproc` to the `null` stage, one in flight, from `due` to `returned`.

    Percentiles, and by how much the p50 of five contiguous pieces differ (the second largest less the second
    smallest: one piece may have been interrupted).
    """
    _, done = null_block(crew, site, in_flight=1, duration_s=_NULL_S)
    trips = (done["returned"] - done["due"]) / 1000
    p50, p99 = np.quantile(trips, [0.5, 0.99])
    pieces = np.sort([np.median(piece) for piece in np.array_split(trips, _PIECES) if len(piece)])
    spread_us = float(pieces[-2] - pieces[1]) if len(pieces) == _PIECES else 0.0
    return {"p50": float(p50), "p99": float(p99)}, spread_us


def null_block(crew: Crew, site: Site, *, in_flight: int, duration_s: float) -> tuple[Block, Samples]:
    """One block of empty messages through `inproc` to the `null` stage; its delivered messages after warm-up."""
    cell = PlannedCell(
        id="floor", group="floor", source=Sensors(samples=4, channels=4, distinct=1), codec=Raw(),
        transport=Inproc(depth=in_flight), stage=Null(), load=Closed(in_flight=in_flight), workers=1,
        batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip
    plan = Plan(
        name="floor", seed=0, quick=True, cells=(cell,), order=(0,), blocks=Blocks(1, duration_s, duration_s / 4, 1.0),
        checksum_every=0, check_replies=False, on_error="stop", slo={}, resolved={},
    )  # fmt: skip
    ready = make_ready(crew, plan, cell)
    for _ in range(_TRIES):
        ready.open(site, crew)
        try:
            block, samples = run_block(crew, ready.task(plan, 0), Place(0, 0, 64, None, None), ready.hosts)
        finally:
            ready.close()
        done = samples[(samples["status"] == Status.DELIVERED) & ~samples["warmup"]]
        if len(done):
            return block, done
    raise PartyError(
        "no empty message came back", where="floor", remedy="stop what else runs on this machine"
    )


def _clock_granularity_ns() -> float:
    """The smallest difference other than 0 between neighbouring readings."""
    clock = time.monotonic_ns
    readings = [clock() for _ in range(_CLOCK_READS)]
    steps = np.diff(np.array(readings, np.int64))
    return float(steps[steps > 0].min(initial=readings[-1] - readings[0]))


def _clock_ns() -> float:
    """Cost of one read, the smallest of five rounds."""
    clock = time.monotonic_ns
    costs = []
    for _ in range(5):
        before = clock()
        for _ in range(_CLOCK_READS):
            clock()
        costs.append((clock() - before) / _CLOCK_READS)
    return min(costs)


def _memcpy_bytes_per_s() -> float:
    """Best of several copies of 32 MiB between buffers that are already mapped."""
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.zeros(_COPY_BYTES, np.uint8)
    best_ns = min(_timed_copy_ns(source, target) for _ in range(_COPIES))
    return _COPY_BYTES / (best_ns * 1e-9)


def _timed_copy_ns(source: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> int:
    before = time.monotonic_ns()
    np.copyto(target, source)
    return time.monotonic_ns() - before


def _wake_us(crew: Crew) -> dict[str, float]:
    """Half of a round trip of a control message between two sleeping processes, after a warm-up."""
    party = crew.get("producer")
    trips = []
    for _ in range(_WAKES):
        before = time.monotonic_ns()
        crew.ask(party, "ping", 5.0)
        trips.append((time.monotonic_ns() - before) / 2000)
    p50, p99 = np.quantile(trips[_WAKES // 10 :], [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99)}
