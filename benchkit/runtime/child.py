"""Starting and ending programs that must not outlive the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_GUARD = Path(__file__).with_name("guard.py")
_ROOT = Path(__file__).resolve().parents[2]


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of benchkit, found where this process found benchkit.

    `-P`: nothing is imported from the folder in which somebody happens to stand, where a file may be called json.py.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def module_environment() -> dict[str, str]:
    """For `module`: where benchkit itself was imported from the present folder, that is said and nothing else."""
    if Path.cwd() != _ROOT:
        return dict(os.environ)
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@contextmanager
def child(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    output: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    grace_s: float = 2.0,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `argv` (an absolute program first) under the guard; ended politely, then for certain.

    Start it from a thread that lives as long as the program should: the kernel's promise is per thread.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=None if env is None else {**os.environ, **env},
        pass_fds=pass_fds,
        cwd=cwd,
    )
    try:
        yield process
    finally:
        end(process, grace_s)


def end(process: subprocess.Popen[bytes], grace_s: float = 2.0) -> None:
    """Ask the process to end, then kill it; it is gone when this returns."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
