"""Traced programs followed while they run: what is under way, who lives, what is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import RecordError
from benchkit.trace.host import describe
from benchkit.trace.layout import FAILED, MAGIC, Mark
from benchkit.trace.reader import MARKS
from benchkit.trace.ring import Ring
from benchkit.watch.base import Look, Party, Queue
from benchkit.watch.trace import Trace
from benchkit.watch.trace_file import begun
from benchkit.watch.trace_hops import Hops


def ring(folder: Path, role: str, nbytes: int = 1 << 16) -> Ring:
    """A file as a process of this host writes it."""
    return Ring(folder, role, nbytes)


def parties(look: Look) -> dict[str, bool | None]:
    return {party.name: party.alive for party in look.parties if party.name != "folder"}


def only(look: Look) -> Queue:
    (queue,) = look.queues
    return queue


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "traces"


def test_depth_pending_and_counts_are_those_of_the_marks(folder):
    producer, worker = ring(folder, "producer"), ring(folder, "worker")
    probe = Trace(folder)
    for name in range(7):
        producer.write(Mark.PRODUCED, name)
    for name in range(4):
        worker.write(Mark.RECEIVED, name)
    worker.write(Mark.DONE, 0)
    worker.write(Mark.DONE, 1, 0, 0, 0, FAILED)
    queue = only(probe.look())
    assert (queue.name, queue.depth, queue.pending, queue.arrived, queue.handled) == ("hop-0", 5, 2, 7, 2)
    assert queue.frame_age_s is not None
    worker.write(Mark.DONE, 2)
    queue = only(probe.look())
    assert (queue.depth, queue.pending, queue.handled) == (4, 1, 3)
    assert only(probe.look()).frame_age_s is None


def test_the_oldest_is_named_with_its_age_and_who_has_it(folder):
    producer, worker = ring(folder, "producer"), ring(folder, "worker")
    producer.write(Mark.PRODUCED, "frame-7")
    worker.write(Mark.RECEIVED, "frame-7")
    first = time.monotonic_ns()
    producer.write(Mark.PRODUCED, "frame-8")
    probe = Trace(folder, clock=lambda: first + 30_000_000_000)
    queue = only(probe.look())
    assert queue.oldest_s == pytest.approx(30, abs=5)
    assert queue.note == "the oldest is frame-7, received by worker-0, not done"
    worker.write(Mark.DONE, "frame-7")
    assert only(probe.look()).note == "the oldest is frame-8, not received"


def test_due_is_what_an_age_runs_from(folder):
    producer = ring(folder, "producer")
    due_ns = time.monotonic_ns() - 5_000_000_000
    producer.write(Mark.PRODUCED, 1, due_ns)
    queue = only(Trace(folder, clock=lambda: due_ns + 60_000_000_000).look())
    assert queue.oldest_s == 60


def test_hops_are_queues_of_their_own(folder):
    one = ring(folder, "detect")
    one.write(Mark.PRODUCED, 1)
    one.write(Mark.RECEIVED, 1)
    one.write(Mark.DONE, 1)
    one.write(Mark.PRODUCED, 1, 0, 0, 1)
    assert [(queue.name, queue.depth) for queue in Trace(folder).look().queues] == [("hop-0", 0), ("hop-1", 1)]


PROGRAM = """
import os, signal, sys
from benchkit import trace
trace.produced(1)
print("ready", flush=True)
for line in sys.stdin:
    trace.produced(line)
    print("produced", flush=True)
"""


def program(folder: Path, role: str = "camera") -> subprocess.Popen[str]:
    env = {**os.environ, "BENCHKIT_TRACE": str(folder), "BENCHKIT_TRACE_ROLE": role}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def gone(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_stopped_one_a_killed_one_its_successor_and_one_that_leaves(folder):
    folder.mkdir(mode=0o700)
    probe = Trace(folder)
    assert probe.look() == Look(parties=(Party("folder", True),))
    first = program(folder)
    try:
        assert parties(probe.look()) == {"camera-0": True}
        first.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
        _, party = probe.look().parties
        assert (party.alive, party.note) == (False, f"process {first.pid} is stopped")
        first.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, first.pid, os.WCONTINUED | os.WNOWAIT)
        assert parties(probe.look()) == {"camera-0": True}
    finally:
        gone(first)
    _, party = probe.look().parties
    assert (party.alive, party.note) == (False, f"process {first.pid} was killed")
    assert party.heard_s is not None
    second = program(folder)
    try:
        assert parties(probe.look()) == {"camera-0": True}
        second.communicate("")
        assert parties(probe.look()) == {}
    finally:
        gone(second)


def test_one_of_two_that_is_killed_is_not_replaced_by_the_other(folder):
    first, second = program(folder), program(folder)
    try:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write("one more\n")
        first.stdin.flush()
        assert first.stdout.readline() == "produced\n"
        gone(first)
        # Whoever comes later sees it too.
        assert parties(Trace(folder).look()) == {"camera-0": False, "camera-1": True}
    finally:
        gone(first)
        gone(second)


def test_what_was_overwritten_unread_is_never_called_stuck(folder):
    """The worker's ring turned over before anybody looked: what it did with the first messages is not known."""
    producer, worker = ring(folder, "producer", 1 << 20), ring(folder, "worker")
    probe = Trace(folder)
    laps = 3 * worker.places
    for name in range(laps):
        producer.write(Mark.PRODUCED, name)
        worker.write(Mark.RECEIVED, name)
        worker.write(Mark.DONE, name)
    assert only(probe.look()).depth == 0
    for name in range(laps, 2 * laps):
        producer.write(Mark.PRODUCED, name)
        worker.write(Mark.RECEIVED, name)
        worker.write(Mark.DONE, name)
    queue = only(probe.look())
    assert queue.depth == 0
    producer.write(Mark.PRODUCED, "stuck")
    assert only(probe.look()).depth == 1


def test_looks_at_every_mark_once_whatever_the_steps(folder):
    """Around the ring's end again and again, in steps of all lengths."""
    writer = ring(folder, "producer")
    read = begun(writer.path)
    assert isinstance(read, tuple)
    file, marks = read
    assert len(marks) == 0
    made = 0
    for step in [1, 7, writer.places - 1, writer.places - 10, 3, 0, writer.places // 2, 500]:
        for name in range(made, made + step):
            writer.write(Mark.PRODUCED, name)
        made += step
        found = file.new()
        assert [bytes(each)[:length] for each, length in zip(found["id"], found["length"], strict=True)] == [
            b"%d" % name for name in range(made - step, made)
        ]
    file.close()


def test_a_mark_that_is_written_late_is_not_lost(folder):
    writer = ring(folder, "producer")
    read = begun(writer.path)
    assert isinstance(read, tuple)
    file, _ = read
    for name in range(3):
        writer.write(Mark.PRODUCED, name)
    at = writer._records_at + 1 * 96
    kept = bytes(writer._map[at : at + 96])
    writer._map[at : at + 96] = bytes(96)
    assert len(file.new()) == 2
    writer._map[at : at + 96] = kept
    assert [bytes(each)[:1] for each in file.new()["id"]] == [b"1"]
    assert len(file.new()) == 0
    file.close()


def test_files_that_cannot_be_followed_are_told_once_and_change_nothing(folder):
    good = ring(folder, "producer")
    (folder / "junk.trace").write_bytes(b"PK\x03\x04" * 2000)
    (folder / "begun.trace").write_bytes(bytes(5000))
    (folder / "link.trace").symlink_to(good.path)
    other = ring(folder, "elsewhere")
    own = describe("")["boot"].encode()
    content = other.path.read_bytes()
    other.release()
    other.path.write_bytes(content.replace(own, b"f" * len(own)))
    probe = Trace(folder)
    look = probe.look()
    assert parties(look) == {"producer-0": True}
    assert len(look.notes) == 3
    assert {"junk.trace", "link.trace", other.path.name} == {note.partition(":")[0] for note in look.notes}
    assert probe.look().notes == look.notes


def test_nothing_is_changed_by_looking_and_a_writer_finds_its_lock_free(folder):
    folder.mkdir(mode=0o700)
    probe = Trace(folder)
    writer = ring(folder, "producer")
    writer.write(Mark.PRODUCED, 1)
    before = writer.path.read_bytes(), writer.path.stat().st_mtime_ns
    probe.look()
    probe.look()
    assert (writer.path.read_bytes(), writer.path.stat().st_mtime_ns) == before
    assert [path.name for path in folder.iterdir()] == [writer.path.name]
    # A file that has not begun is not locked, not even for a moment: its writer tries once.
    fresh = folder / "fresh.trace"
    fresh.write_bytes(bytes(len(MAGIC)) + bytes(5000))
    assert begun(fresh) is None


def test_a_folder_that_is_not_there_is_said_and_one_that_goes_away_too(tmp_path):
    probe = Trace(tmp_path / "none")
    with pytest.raises(RecordError, match="No such file"):
        probe.open()


def test_a_file_that_is_removed_is_forgotten(folder):
    writer = ring(folder, "producer")
    probe = Trace(folder)
    assert parties(probe.look()) == {"producer-0": True}
    writer.path.unlink()
    assert parties(probe.look()) == {}
    ring(folder, "producer")
    assert parties(probe.look()) == {"producer-0": True}


def marks(*each: tuple[int, Mark, int]) -> np.ndarray:
    table = np.zeros(len(each), MARKS)
    for row, (at, mark, name) in zip(table, each, strict=True):
        row["at"], row["mark"], row["id"], row["length"] = at, mark, b"%d" % name, len(b"%d" % name)
    return table


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_in_whatever_portions_marks_are_read_the_end_is_the_same(data):
    """Producer and worker are read at different moments: each look sees a prefix of what each has made."""
    count = data.draw(st.integers(1, 12))
    finished = data.draw(st.integers(0, count))
    produced = [(10 * n + 1, Mark.PRODUCED, n) for n in range(count)]
    worked = [
        each for n in range(finished) for each in [(10 * n + 5, Mark.RECEIVED, n), (10 * n + 9, Mark.DONE, n)]
    ]
    hops = Hops()
    cut = data.draw(st.integers(0, len(produced)))
    # One look lies between what the two have told, never more: both are read in every look.
    before = [each for each in worked if each[0] < (10 * cut + 10)]
    hops.take([("p", marks(*produced[:cut])), ("w", marks(*before))], 0)
    hops.take([("p", marks(*produced[cut:])), ("w", marks(*worked[len(before) :]))], 0)
    (queue,) = hops.queues(10 * count)
    assert (queue.depth, queue.pending) == (count - finished, 0)
    assert (queue.arrived, queue.handled) == (count, finished)
