"""Runs a program so that it dies with its parent, whatever kills the parent.

Started as a script (`python guard.py PARENT_PID PROGRAM ARGUMENT...`) with nothing imported but the standard
library, so that it costs milliseconds. On Linux it becomes the program and the kernel keeps the promise;
elsewhere it stays beside the program and watches.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); exit if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def _watch(parent_pid: int, argv: list[str]) -> int:
    with subprocess.Popen(argv) as child:
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if os.getppid() != parent_pid:
                    child.kill()


def main() -> None:
    """Become `sys.argv[2:]`, or stay and watch it."""
    parent_pid, argv = int(sys.argv[1]), sys.argv[2:]
    # The parent decides what an interrupt means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent_pid)
    if sys.platform == "linux":
        os.execv(argv[0], argv)  # noqa: S606
    sys.exit(_watch(parent_pid, argv))


if __name__ == "__main__":
    main()
