"""Whose clock a trace's moments were read from: nothing that names a person, a host or a path is kept."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any, Final

_LONGEST_NAME: Final = 64


def describe(role: str) -> dict[str, Any]:
    """The description in a trace file's header, less its moments."""
    return {
        "host": _digest(_read("/etc/machine-id") or platform.node()),
        "boot": _boot(),
        "clock": "monotonic",
        "pid": os.getpid(),
        "process": plain(Path(sys.argv[0] if sys.argv else "").stem) or "python",
        "role": plain(role),
        "python": platform.python_version(),
    }


def plain(name: str) -> str:
    """A name of bounded length, in letters that every terminal and file system can show."""
    kept = (letter if letter.isalnum() and letter.isascii() else "-" for letter in name[:_LONGEST_NAME])
    return "".join(kept).strip("-")


def _boot() -> str:
    """What the monotonic clock counts from: this boot, in this time namespace; empty where nothing says."""
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        namespace = str(Path("/proc/self/ns/time").readlink())
    except OSError:
        namespace = ""
    return _digest(boot + namespace) if boot else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return ""
