"""A disk of one's own: as large as asked, full when it is full, and gone afterwards."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchkit.errors import StorageError
from benchkit.faults.filling import filled, no_room
from benchkit.runtime import disk as disks
from benchkit.runtime.disk import disk, in_memory, why_no_disk
from benchkit.runtime.folders import SEGMENTS

pytestmark = pytest.mark.skipif(bool(why_no_disk()), reason=why_no_disk() or "-")
NBYTES = 4 << 20


def test_it_holds_as_much_as_was_asked_for_and_nobody_else_sees_it(tmp_path):
    with disk(tmp_path, NBYTES) as place:
        path, nbytes = filled(place)
        assert NBYTES * 0.9 < nbytes <= NBYTES
        assert no_room(place)
        assert list(tmp_path.iterdir()) == [], "it is not mounted where others look"
        path.unlink()
        assert not no_room(place)
        assert list(place.iterdir()) == []
    assert not place.exists()


def test_it_goes_with_its_holder(tmp_path):
    with disk(tmp_path, NBYTES) as place:
        os.kill(int(place.parts[2]), signal.SIGKILL)
        while place.exists():  # the kernel takes a moment
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_does_not_allow_it_is_told_why(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="No such file or directory"), disk(tmp_path / "absent", NBYTES):
        pass
    holder = tmp_path / "holder.py"
    holder.write_text("import os, sys\nos.write(int(sys.argv[2]), b'unshare: Operation not permitted')\n")
    monkeypatch.setattr(disks, "_HOLDER", holder)
    with pytest.raises(StorageError, match="Operation not permitted") as caught, disk(tmp_path, NBYTES):
        pass
    assert "user namespaces" in caught.value.remedy


def test_a_file_system_that_never_fills_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("benchkit.faults.filling._MOST_BYTES", 3 << 20)
    with pytest.raises(StorageError, match="left alone"):
        filled(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not SEGMENTS.is_dir(), reason=f"no {SEGMENTS} here")
def test_memory_is_told_from_a_disk():
    assert in_memory(SEGMENTS)
    assert not in_memory(Path("/proc"))
