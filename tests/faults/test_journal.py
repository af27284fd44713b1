"""A journal tells what happened before a SIGKILL, whole and in order, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.engine.faulted.journal import BEAT_S, EVENT, HEAD_BYTES, Journal, Reader, What
from benchkit.errors import RecordError

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(list(What)),
        st.integers(-1, (1 << 63) - 1),
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.integers(1, (1 << 63) - 1),
    ),
    max_size=40,
)  # fmt: skip


@given(EVENTS, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read_up_to_the_room_that_there_is(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[What, int, int, int]], room: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path, room)
    for what, seq, detail, at_ns in events:
        journal.write(what, seq, detail, at_ns)
    reader = Reader(path)
    kept = reader.since(0)
    assert [(each["what"], each["seq"], each["detail"], each["at_ns"]) for each in kept] == [
        (int(what), seq, detail, at_ns) for what, seq, detail, at_ns in events[:room]
    ]
    assert reader.refused == max(0, len(events) - room)
    del kept
    reader.close()


def test_a_reader_follows_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 100)
    reader = Reader(tmp_path / "j")
    assert reader.count == 0
    journal.write(What.TAKEN, 1, 5)
    assert reader.since(0)["seq"].tolist() == [1]
    journal.write(What.SENT, 1)
    assert reader.since(1)["what"].tolist() == [What.SENT]


@pytest.mark.parametrize("content", [b"", b"x" * (HEAD_BYTES - 1), b"x" * (HEAD_BYTES + EVENT.itemsize)])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(RecordError):
        Reader(tmp_path / "j")


def _writes_for_ever(path: Path, awake: int) -> None:
    journal = Journal(path, 4_000_000)
    os.write(awake, b"x")
    number = 0
    while True:
        # Each field tells the same number, so that half an event would be seen.
        journal.write(What.SENT, number, number, number + 1)
        number += 1


@pytest.mark.parametrize("moment", range(12))
def test_killed_in_the_middle_of_an_append(tmp_path: Path, moment: int) -> None:
    """The kill comes at whatever instruction the writer is at; none of its events is torn, missing or out of order."""
    path = tmp_path / "j"
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _writes_for_ever(path, theirs)
        finally:
            os._exit(1)
    assert os.read(ours, 1) == b"x"
    reader = Reader(path)
    while reader.count < 1000 + 997 * moment:
        pass
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(ours)
    os.close(theirs)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    events = reader.since(0)
    assert len(events) >= 1000
    assert (events["what"] == What.SENT).all()
    for name, more in (("seq", 0), ("detail", 0), ("at_ns", 1)):
        assert (events[name] == list(range(more, len(events) + more))).all()


def test_it_beats_when_there_is_nothing_to_write(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 10)
    reader = Reader(tmp_path / "j")
    journal.beat()
    deadline = time.monotonic() + 20
    while reader.beats < 4 and time.monotonic() < deadline:
        pass
    journal.end()
    assert reader.beats >= 4
    assert reader.count == 0
    assert time.monotonic_ns() - reader.beat_ns < 20e9
    assert BEAT_S < 0.1


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            Journal(tmp_path / name, 10)
    assert (tmp_path / "there").read_text() == "mine"
    Journal(tmp_path / "j", 10)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
