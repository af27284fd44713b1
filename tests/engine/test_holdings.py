"""What processes hold, as the kernel tells it."""

from __future__ import annotations

import os
from pathlib import Path

from benchkit.engine.holdings import Holdings, holding

STATUS = "Name:\tpython (x)\nVmRSS:\t  100 kB\nRssAnon:\t   60 kB\nThreads:\t3\n"


def made(folder: Path, pid: int) -> Path:
    own = folder / str(pid)
    (own / "fd").mkdir(parents=True)
    (own / "status").write_text(STATUS)
    (own / "smaps_rollup").write_text(
        "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: 100 kB\nPss:   80 kB\n"
    )
    for number in range(4):
        (own / "fd" / str(number)).touch()
    return own


def test_memory_descriptors_and_threads_of_a_process(tmp_path: Path) -> None:
    found = holding(made(tmp_path, 7))
    assert (found.rss_bytes, found.anonymous_bytes, found.pss_bytes) == (102_400, 61_440, 81_920)
    assert (found.descriptors, found.threads) == (4, 3)


def test_what_the_kernel_does_not_tell_is_none_and_a_process_that_is_gone_is_left_out(tmp_path: Path) -> None:
    (made(tmp_path, 7) / "smaps_rollup").unlink()
    assert holding(tmp_path / "7").pss_bytes is None
    assert list(Holdings(tmp_path).look({"runner": 7, "gone": 8})) == ["runner"]


def test_a_look_right_after_another_one_is_spared(tmp_path: Path) -> None:
    made(tmp_path, 7)
    looking = Holdings(tmp_path)
    assert looking.look({"runner": 7})
    assert looking.look({"runner": 7}) == {}
    often = Holdings(tmp_path, every_ns=0)
    assert often.look({"runner": 7}) == often.look({"runner": 7}) != {}


def test_a_descriptor_that_is_opened_is_counted() -> None:
    before = holding(Path(f"/proc/{os.getpid()}")).descriptors
    with Path(os.devnull).open("rb"):
        after = holding(Path(f"/proc/{os.getpid()}")).descriptors
    assert before is not None
    assert after == before + 1
