"""A disk of a given size that can be full without harm: a tmpfs in a mount namespace that nobody else sees.

A holder, which does nothing, keeps the namespace; who may read its `/proc/PID/root` (its user) writes there by an
ordinary path. When it ends, the kernel takes the file system back with all that is on it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psutil

from benchkit.errors import StorageError
from benchkit.runtime.child import child

_HOLDER = Path(__file__).with_name("disk_holder.py")
_PROBE_BYTES = 1 << 20
_IN_MEMORY = ("tmpfs", "ramfs")


@contextmanager
def disk(folder: Path, nbytes: int) -> Iterator[Path]:
    """A path to a file system of `nbytes` of its own, empty, gone with the context; raises StorageError.

    `folder` exists and stays empty: it is only where the holder mounts.
    """
    if sys.platform != "linux":
        raise StorageError("a disk of one's own needs Linux's mount namespaces", where=str(folder))
    told, say = os.pipe()
    argv = [sys.executable, "-I", "-S", str(_HOLDER), str(os.getpid()), str(say), str(folder), str(nbytes)]
    with open(told, "rb") as answer, ExitStack() as undo:  # noqa: PTH123  (a descriptor)
        try:
            process = undo.enter_context(child(argv, pass_fds=[say], grace_s=0.0))
        finally:
            os.close(say)
        reason = answer.read().decode(errors="replace")
        if reason != "mounted":
            raise StorageError(
                f"this user cannot have a disk of its own: {reason or 'the holder ended'}", where=str(folder),
                remedy="allow user namespaces (sysctl kernel.unprivileged_userns_clone, a container's seccomp)",
            )  # fmt: skip
        yield Path(f"/proc/{process.pid}/root") / folder.resolve().relative_to("/")


def in_memory(path: Path) -> bool:
    """Whether this is on a file system in memory, as /tmp often is: a sync costs nothing there and proves nothing."""
    path = path.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounts[at] for at in (path, *path.parents) if at in mounts), "") in _IN_MEMORY


@cache
def why_no_disk() -> str:
    """Why `disk` fails on this machine; empty where it does not."""
    with tempfile.TemporaryDirectory(prefix="benchkit-probe-") as folder:
        try:
            with disk(Path(folder), _PROBE_BYTES) as path:
                (path / "probe").write_bytes(b"x")
        except (StorageError, OSError) as error:
            return error.what if isinstance(error, StorageError) else f"no way to it: {error}"
    return ""
