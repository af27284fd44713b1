"""What processes used and waited for: seen where it happened, and a named gap where the kernel does not say."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchkit.engine.account import Account, SoFar, waits
from benchkit.engine.garbage import Garbage
from benchkit.engine.outside import Broker, Cores, Outside, grown
from benchkit.engine.threads import Threads, Times, between
from benchkit.errors import BrokerError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
SPIN_S = 0.12


def spin(seconds: float = SPIN_S) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def account(work: Callable[[], object], **how: Any) -> dict[str, Any]:
    own = Account(**{"shares_process": False, **how})
    own.begin(SoFar(0, time.process_time_ns()))
    work()
    return own.told(SoFar(10, time.process_time_ns()))


@contextmanager
def on_one_core(hogs: int) -> Iterator[None]:
    """This thread, and so many programs that never rest, on one core."""
    before = os.sched_getaffinity(0)
    core = min(before)
    program = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(hogs)]
    try:
        for each in started:
            assert each.stdout is not None
            each.stdout.readline()
        os.sched_setaffinity(0, [core])
        yield
    finally:
        os.sched_setaffinity(0, before)
        for each in started:
            each.kill()
            each.wait()
            assert each.stdout is not None
            each.stdout.close()


@LINUX
def test_hogs_on_its_core_are_seen_as_waiting_for_it() -> None:
    def share() -> float:
        used = account(lambda: spin(0.2))["used"]
        assert used["over_ns"] >= 0.2e9
        return used["thread_runnable_ns"] / (used["thread_runnable_ns"] + used["thread_cpu_ns"])

    with on_one_core(0):
        alone = share()
    with on_one_core(4):
        crowded = share()
    # Fair shares: 4 of 5, whatever else wants the core as well.
    assert crowded > alone
    assert crowded > 0.5


@LINUX
def test_sleeping_is_neither_running_nor_waiting_for_a_core() -> None:
    asleep, awake = (account(lambda work=work: work(SPIN_S))["used"] for work in (time.sleep, spin))
    assert asleep["thread_cpu_ns"] < awake["thread_cpu_ns"] / 2
    assert asleep["voluntary_switches"] >= 1
    off_core = asleep["over_ns"] - asleep["thread_cpu_ns"] - asleep["thread_runnable_ns"]
    assert off_core > asleep["over_ns"] / 4


@LINUX
def test_touching_memory_is_seen_as_faults() -> None:
    pages = 2000

    def touch() -> None:
        # Fresh memory of ordinary pages: an allocator may give used ones, and one huge page is one fault.
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            for page in range(pages):
                memory[page * mmap.PAGESIZE] = 1

    calm = account(lambda: None)["used"]["minor_faults"]
    assert account(touch)["used"]["minor_faults"] >= calm + pages / 8


@LINUX
def test_another_python_thread_bounds_the_wait_for_the_interpreter() -> None:
    other = threading.Thread(target=spin, args=(3 * SPIN_S,))

    def beside_another() -> None:
        other.start()
        spin()

    alone = account(spin)["used"]
    crowded = account(beside_another)["used"]
    other.join()
    assert crowded["threads"] > alone["threads"]
    share = [used["gil_wait_at_most_ns"] / used["over_ns"] for used in (alone, crowded)]
    assert share[1] > share[0] + 0.1


def test_the_bound_on_waiting_for_the_interpreter_is_what_others_did_and_one_self_did_not() -> None:
    spent = {1: Times(30, 10), 2: Times(50, 5), 3: Times(1, 1)}
    found = waits(spent, 1, 100, alone=False)
    assert (found["runnable_ns"], found["thread_runnable_ns"], found["gil_wait_at_most_ns"]) == (16, 10, 57)
    assert waits(spent, 1, 60, alone=True)["gil_wait_at_most_ns"] == 20
    assert waits(spent, 1, 60, alone=True)["runnable_ns"] == 10


def make_garbage(pieces: int = 30_000) -> None:
    for _ in range(pieces):
        loop: list[Any] = []
        loop.append(loop)


def test_collections_are_counted_with_the_moments_of_the_longest() -> None:
    began = time.monotonic_ns()
    told = account(make_garbage)
    ended = time.monotonic_ns()
    used = told["used"]
    assert used["gc_pauses"] > 5
    assert 0 < used["gc_longest_ns"] <= used["gc_pause_ns"] < ended - began
    assert 5 <= len(told["pauses"]) <= 32
    assert max(took for _, took, _ in told["pauses"]) == used["gc_longest_ns"]
    moments = [at for at, *_ in told["pauses"]]
    assert moments == sorted(moments)
    assert began <= moments[0] <= moments[-1] <= ended
    assert not gc.callbacks or all("Garbage" not in repr(each) for each in gc.callbacks)


def test_a_mark_forgets_what_was_before_it() -> None:
    own = Account(shares_process=False)
    own.begin(SoFar(0, 0))
    make_garbage()
    own.mark(SoFar(7, 0))
    told = own.told(SoFar(9, 0))
    assert told["used"]["messages"] == 2
    assert told["used"]["gc_pauses"] < 5
    assert not own.stale


def test_however_many_collections_there_are_few_are_kept() -> None:
    watch = Garbage(rest=True)
    watch.start()
    try:
        for _ in range(2000):
            gc.collect(0)
    finally:
        watch.stop()
    assert watch.count >= 2000
    assert len(watch._longest) == 32
    assert watch.longest_ns == max(each.duration_ns for each in watch.pauses())


def test_parties_of_one_process_each_count_what_they_began() -> None:
    producer, worker = Garbage(rest=True), Garbage(rest=False)
    ready, done = threading.Event(), threading.Event()

    def serve() -> None:
        worker.start()
        for _ in range(3):
            gc.collect()
        ready.set()
        done.wait(10)
        worker.stop()

    thread = threading.Thread(target=serve)
    producer.start()
    try:
        thread.start()
        ready.wait(10)
        gc.collect()
        # A thread that is no party's, such as the one that makes messages ahead.
        nobodys = threading.Thread(target=gc.collect)
        nobodys.start()
        nobodys.join()
    finally:
        done.set()
        thread.join()
        producer.stop()
    assert (producer.count, worker.count) == (2, 3)


# What cannot be read -------------------------------------------------------------------------------------


def process(root: Path, threads: dict[int, str]) -> Path:
    for thread, schedstat in threads.items():
        folder = root / "self" / "task" / str(thread)
        folder.mkdir(parents=True)
        (folder / "schedstat").write_text(schedstat)
    return root


def test_without_proc_the_gap_names_the_file(tmp_path: Path) -> None:
    told = account(lambda: None, proc=tmp_path)
    for name in ("runnable_ns", "thread_cpu_ns", "thread_runnable_ns", "gil_wait_at_most_ns", "threads"):
        assert told["used"][name] is None
        assert f"{tmp_path}/self/task" in told["gaps"][name]
        assert "No such file" in told["gaps"][name]
    assert told["used"]["minor_faults"] is not None


@pytest.mark.parametrize(
    ("schedstat", "why"), [("", "not two numbers"), ("12", "not two numbers"), ("a b c", "not two numbers")]
)
def test_a_file_that_says_something_else_is_no_number(tmp_path: Path, schedstat: str, why: str) -> None:
    own = threading.get_native_id()
    told = account(lambda: None, proc=process(tmp_path, {own: schedstat}))
    assert told["used"]["runnable_ns"] is None
    assert why in told["gaps"]["runnable_ns"]


def test_one_thread_that_cannot_be_read_makes_no_sum_of_the_others(tmp_path: Path) -> None:
    own = threading.get_native_id()
    root = process(tmp_path, {own: "5 6 7"})
    (root / "self" / "task" / "999999" / "schedstat").mkdir(parents=True)  # reading it fails, whoever reads
    told = account(lambda: None, proc=root)
    assert told["used"]["runnable_ns"] is None
    assert "999999/schedstat" in told["gaps"]["runnable_ns"]


def test_threads_that_come_and_go_are_counted_while_they_are_there(tmp_path: Path) -> None:
    root = process(tmp_path, {1: "100 10 1", 2: "200 20 1"})
    threads = Threads(proc=root)
    before = threads.look()
    (root / "self" / "task" / "1" / "schedstat").write_text("150 30 2")
    new = root / "self" / "task" / "3"
    new.mkdir()
    (new / "schedstat").write_text("7 3 1")
    spent = between(before, threads.look(anew=True))
    threads.close()
    assert spent == {1: Times(50, 20), 2: Times(0, 0), 3: Times(7, 3)}


@LINUX
def test_a_process_seen_from_outside() -> None:
    program = (
        "import sys, time\nfor _ in sys.stdin:\n  time.sleep(0.001); sum(range(300000)); print(flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        seen = Broker(child.pid)
        for _ in range(5):
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()
        used = seen.used()
    assert used is not None
    assert used.thread_cpu_ns > 0
    assert used.voluntary_switches >= 4
    assert used.minor_faults >= 0
    assert used.rss_bytes > 0
    assert not seen.gaps


def test_a_process_that_cannot_be_seen_is_a_gap(tmp_path: Path) -> None:
    seen = Broker(os.getpid(), tmp_path)
    used = seen.used()
    assert used is not None
    assert (used.runnable_ns, used.minor_faults, used.voluntary_switches) == (None, None, None)
    assert f"{tmp_path}/{os.getpid()}" in seen.gaps["minor_faults"]
    assert "task" in seen.gaps["runnable_ns"]
    assert Broker(None).used() is None


def stat(*cores: tuple[int, int]) -> str:
    """User time and idle time of each core, in ticks."""
    lines = [f"cpu{number} {user} 0 0 {idle} 0 0 0 0 0 0" for number, (user, idle) in enumerate(cores)]
    return "\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *lines, "intr 5 6", "ctxt 7"])


def test_cores_are_as_busy_as_their_ticks_say(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(stat((100, 50), (7, 7), (0, 10)))
    cores = Cores(tmp_path)
    (tmp_path / "stat").write_text(stat((130, 60), (7, 7), (0, 20)))
    assert cores.busy() == {"0": 0.75, "1": 0.0, "2": 0.0}
    (tmp_path / "stat").unlink()
    assert cores.busy() is None
    assert f"{tmp_path}/stat" in cores.gap


@pytest.mark.parametrize("text", ["", "cpu 1 2 3", "cpu0 1 2 x 4 5"])
def test_a_stat_that_is_none_is_a_gap(tmp_path: Path, text: str) -> None:
    (tmp_path / "stat").write_text(text)
    cores = Cores(tmp_path)
    assert cores.busy() is None
    assert str(tmp_path) in cores.gap


def test_a_brokers_counters_grow_or_tell_nothing() -> None:
    before = {"received_bytes": 100, "memory_bytes": 9, "evicted_keys": 3, "commands": 5}
    found = grown(before, {"received_bytes": 150, "memory_bytes": 4, "evicted_keys": 3, "forks": 2})
    assert found is not None
    assert (found.received_bytes, found.memory_bytes, found.evicted_keys) == (50, 4, 0)
    assert (found.commands, found.forks) == (None, None)
    # It was started anew in between.
    assert grown(before, {**before, "commands": 1}) is None
    assert grown(None, before) is None


def test_a_broker_that_refuses_its_counters_costs_no_block() -> None:
    def refuses() -> None:
        raise BrokerError("the broker refuses INFO: NOPERM")

    with Outside(None, refuses) as outside:
        seen = outside.seen()
    assert seen.counts is None
    assert "NOPERM" in seen.gaps["broker.counts"]
