"""Private folders are swept when their owner is dead, and only then, however many runs begin at once."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchkit.runtime import folders
from benchkit.runtime.folders import SEGMENTS, hold, sweep


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folders._base()


def test_a_dead_runs_folder_goes_and_a_living_ones_stays(base):
    with folders.run_folder() as (name, folder):
        (base / "00dead.lock").touch()
        (base / "00dead").mkdir()
        assert folders.sweep() == ["00dead"]
        assert folder.is_dir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(base.iterdir()) == []
    assert name not in str(list(base.iterdir()))


def test_a_sweeper_that_was_faster_is_no_error(base, monkeypatch):
    (base / "gone.lock").touch()
    glob = Path.glob

    def vanishing(self, pattern):
        found = list(glob(self, pattern))
        for lock in found:
            lock.unlink()
        return found

    monkeypatch.setattr(Path, "glob", vanishing)
    assert folders.sweep() == []


def test_a_name_whose_lock_was_swept_away_at_birth_is_not_used(base, monkeypatch):
    flock, swept = fcntl.flock, []

    def late(held, how):
        if how == fcntl.LOCK_EX and not swept:
            swept.extend(folders.sweep())
        flock(held, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with folders.run_folder() as (name, folder):
        assert len(swept) == 1
        assert name not in swept
        assert (base / f"{name}.lock").exists()
        assert folder.is_dir()
    assert list(base.iterdir()) == []


@pytest.mark.skipif(not SEGMENTS.is_dir(), reason="no /dev/shm here")
def test_a_segment_whose_folder_is_gone_is_swept_and_one_that_is_held_is_not():
    dead, held = (SEGMENTS / f"benchkit-{secrets.token_hex(6)}-1" for _ in range(2))
    dead.write_bytes(b"left")
    fd = os.open(held, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        assert hold(fd)
        sweep()
        assert not dead.exists()
        assert held.exists()
    finally:
        os.close(fd)
    sweep()
    assert not held.exists()


@pytest.mark.skipif(not SEGMENTS.is_dir(), reason="no /dev/shm here")
def test_a_segment_that_a_sweeper_took_before_it_was_held_is_known_to_be_gone():
    path = SEGMENTS / f"benchkit-{secrets.token_hex(6)}-1"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    sweep()
    assert not path.exists()
    assert not hold(fd)
    os.close(fd)


@pytest.mark.skipif(not SEGMENTS.is_dir(), reason="shared memory has no folder here")
def test_one_segment_that_is_held_protects_those_of_its_run_from_a_run_with_another_folder():
    # As a library makes them that holds none of its files, beside one that its run holds.
    name = secrets.token_hex(6)
    alive, library = (SEGMENTS / f"benchkit-{name}-{part}" for part in ("alive", "data"))
    with ExitStack() as undo:
        folders.held(alive, undo)
        library.touch()
        sweep()
        assert alive.exists()
        assert library.exists()
    assert not alive.exists()
    sweep()
    assert not library.exists()
