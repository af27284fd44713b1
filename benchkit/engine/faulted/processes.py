"""Processes as the kernel shows them: stopped, dead, how much they did."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from benchkit.engine import usage

_TASKS: Final = Path("/proc")


def stopped(pid: int) -> bool:
    """Every thread of the process is stopped (state T)."""
    if sys.platform != "linux":
        with suppress(psutil.Error):
            return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        return False
    with suppress(OSError):
        states = [_state((task / "stat").read_text()) for task in (_TASKS / str(pid) / "task").iterdir()]
        return bool(states) and all(state in "Tt" for state in states)
    return False


def _state(stat: str) -> str:
    # The name, in brackets, may hold anything.
    return stat.rpartition(")")[2].split()[0]


def send(pid: int, number: int) -> bool:
    """Send a signal; False where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def ended(pid: int) -> int | None:
    """How a child that nobody has waited for yet ended: minus the signal, or its code; None: it lives.

    It stays to be waited for. One that is no child of ours, or was waited for, has ended with 0 where it is gone.
    """
    try:
        told = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None if usage.lives(pid) else 0
    if told is None:
        return None
    return told.si_status if told.si_code == os.CLD_EXITED else -told.si_status


def in_words(code: int, whose: str) -> str:
    """`exit status -9 (SIGKILL), seen by waitpid`."""
    with suppress(ValueError):
        if code < 0:
            return f"exit status {code} ({signal.Signals(-code).name}), seen by {whose}"
    return f"exit status {code}, seen by {whose}"


def did(pids: tuple[int, ...], told: Callable[[int], str]) -> str:
    """What these have done so far: their CPU time, and what `told` says of each."""
    return "; ".join(f"{told(pid)}{usage.cpu_ns(pid)} ns of CPU" for pid in pids)
