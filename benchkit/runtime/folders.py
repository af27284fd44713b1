"""A run's private folder, and the sweep of those whose owner is dead.

A run holds a lock on `<name>.lock` beside its folder for as long as it lives; the kernel drops the lock when
the process dies, however it dies. So a folder whose lock can be taken belongs to nobody: the next run
removes it, with the shared-memory segments that carry its name.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchkit.errors import StorageError

SEGMENTS = Path("/dev/shm")  # noqa: S108  (where Linux keeps shared memory)
PREFIX = "benchkit-"


def _base() -> Path:
    """`<tmp>/benchkit-<uid>`, ours alone; raises StorageError when somebody else made it."""
    base = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        info = base.lstat()
    except OSError as error:
        raise StorageError(
            f"cannot make a private folder: {error}", remedy="set TMPDIR to a folder of yours"
        ) from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise StorageError(
            f"{base} exists and is not a private folder of this user",
            remedy="remove it, or set TMPDIR to a folder of yours",
        )
    return base


def _remove(base: Path, name: str) -> None:
    if SEGMENTS.is_dir():
        for segment in SEGMENTS.glob(f"{PREFIX}{name}-*"):
            segment.unlink(missing_ok=True)
    shutil.rmtree(base / name, ignore_errors=True)


def hold(fd: int) -> bool:
    """Lock a fresh segment for as long as `fd` is open; False when a sweeper was faster and it is gone."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    return os.fstat(fd).st_nlink > 0


def held(path: Path, undo: ExitStack) -> int:
    """A new file of mode 0600, held for as long as `undo` lasts, so that no sweep takes it for a dead run's.

    Returns its descriptor; raises OSError.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        undo.callback(os.close, fd)
        if hold(fd):
            undo.callback(path.unlink, missing_ok=True)
            return fd


def _sweep_segments(base: Path) -> None:
    """Segments of dead runs whose folder is gone too (a cleaned /tmp, another TMPDIR): nobody holds any of them.

    A library may make segments that it does not hold; one of the run that is held protects them all.
    """
    runs: dict[str, list[Path]] = {}
    for segment in SEGMENTS.glob(f"{PREFIX}*-*") if SEGMENTS.is_dir() else ():
        runs.setdefault(segment.name.split("-")[1], []).append(segment)
    for name, segments in runs.items():
        if (base / f"{name}.lock").exists():
            continue
        with suppress(OSError), ExitStack() as opened:
            for segment in segments:
                fd = os.open(segment, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for segment in segments:
                if segment.stat().st_uid == os.getuid():
                    segment.unlink()


def sweep() -> list[str]:
    """Remove what dead runs of this user left; returns their names."""
    base = _base()
    _sweep_segments(base)
    dead = []
    for lock in base.glob("*.lock"):
        with ExitStack() as opened:
            try:
                held = opened.enter_context(lock.open("r+b"))
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # Another run lives, or another sweeper was faster.
                continue
            # Under the lock: a second sweeper finds the file gone and a new run has another name.
            _remove(base, lock.stem)
            lock.unlink(missing_ok=True)
            dead.append(lock.stem)
    return dead


def _claimed(base: Path, opened: ExitStack) -> str:
    """A fresh name whose lock is held until `opened` ends."""
    while True:
        name = secrets.token_hex(6)
        lock = base / f"{name}.lock"
        held = opened.enter_context(lock.open("x"))
        fcntl.flock(held, fcntl.LOCK_EX)
        # A sweeper may have taken the lock between these two lines, and the file with it.
        if lock.exists():
            return name


@contextmanager
def run_folder() -> Iterator[tuple[str, Path]]:
    """A fresh unguessable name and its private folder (0700); sweeps dead runs first, cleans up after itself.

    Names of shared-memory segments must begin with `benchkit-<name>-` to be swept with it.
    """
    sweep()
    base = _base()
    with ExitStack() as opened:
        name = _claimed(base, opened)
        lock = base / f"{name}.lock"
        folder = base / name
        folder.mkdir(mode=0o700)
        try:
            yield name, folder
        finally:
            _remove(base, name)
            lock.unlink(missing_ok=True)
