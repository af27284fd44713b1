"""The lock, presence and words beneath the shared-memory transport, in real processes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from benchkit.errors import BrokerError
from benchkit.transports._shm import lock as lock_module
from benchkit.transports._shm.lock import FileLock, Lock, RobustMutex, robust_mutexes
from benchkit.transports._shm.presence import Presence

fork = multiprocessing.get_context("forkserver")
fork.set_forkserver_preload(["benchkit.transports.shm"])

KINDS = ["file", *(["mutex"] if robust_mutexes() else [])]


@contextmanager
def a_lock(kind: str, path: Path, repairs: list[int]) -> Iterator[tuple[Lock, memoryview]]:
    with path.open("r+b") as file:
        shared = mmap(file.fileno(), 0)
    view = memoryview(shared)
    anchor = ctypes.c_char.from_buffer(shared)

    def repair() -> None:
        repairs.append(1)

    if kind == "file":
        made = FileLock(path, view, 0, repair)
        yield made, view
        made.close()
    else:
        yield RobustMutex(ctypes.addressof(anchor), repair), view


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(kind: str, tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.write_bytes(bytes(4096))
    if kind == "mutex":
        with path.open("r+b") as file, mmap(file.fileno(), 0) as shared:
            anchor = ctypes.c_char.from_buffer(shared)
            RobustMutex.make(ctypes.addressof(anchor))
            del anchor
    return path


def hold_for_ever(kind: str, path: Path, pipe: Connection) -> None:
    with a_lock(kind, path, []) as (held, view), held:
        view[100] = 1
        pipe.send("held")
        signal.pause()


def count(kind: str, path: Path, rounds: int) -> None:
    with a_lock(kind, path, []) as (held, view):
        numbers = view[128:136].cast("Q")
        for _ in range(rounds):
            with held:
                numbers[0] += 1


def test_a_holder_that_is_killed_is_noticed_once(kind: str, path: Path) -> None:
    repairs: list[int] = []
    with a_lock(kind, path, repairs) as (mine, view):
        for killed in (1, 2, 3):
            here, there = fork.Pipe()
            process = fork.Process(target=hold_for_ever, args=(kind, path, there))
            process.start()
            assert here.recv() == "held"
            process.kill()
            process.join()
            with mine:
                assert len(repairs) == killed
                assert view[100] == 1
            with mine:
                assert len(repairs) == killed


def test_processes_and_threads_exclude_each_other(kind: str, path: Path) -> None:
    rounds = 3000
    process = fork.Process(target=count, args=(kind, path, rounds))
    process.start()
    threads = [threading.Thread(target=count, args=(kind, path, rounds)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.join()
    with a_lock(kind, path, []) as (_, view):
        assert view[128:136].cast("Q")[0] == 3 * rounds


def test_an_error_inside_repairs_and_lets_go(kind: str, path: Path) -> None:
    repairs: list[int] = []
    with a_lock(kind, path, repairs) as (mine, _):
        with pytest.raises(ZeroDivisionError), mine:
            raise ZeroDivisionError
        assert repairs == [1]
        with mine:
            assert repairs == [1]


@pytest.mark.skipif("mutex" not in KINDS, reason="no robust mutexes on this system")
@pytest.mark.parametrize("kind", ["mutex"], indirect=True)
def test_a_holder_that_never_lets_go_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "_PATIENCE_S", 0.01)
    here, there = fork.Pipe()
    process = fork.Process(target=hold_for_ever, args=("mutex", path, there))
    process.start()
    assert here.recv() == "held"
    with a_lock("mutex", path, []) as (mine, _):
        with pytest.raises(BrokerError, match="has held the lock"), mine:
            pass
        process.kill()
        process.join()
        with mine:
            pass


def test_a_party_is_there_until_it_closes_and_for_no_forked_child(tmp_path: Path) -> None:
    path = tmp_path / "party"
    path.touch()
    mine, other = Presence(path), Presence(path)
    assert mine.take()
    assert not other.take()
    here, there = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        here.close()
        there.send("forked")
        there.poll(20)
        os._exit(0)
    there.close()
    assert here.recv() == "forked"
    mine.close()
    taken = other.take()
    here.close()
    os.waitpid(child, 0)
    other.close()
    assert taken


def flip(path: Path, rounds: int) -> None:
    with path.open("r+b") as file:
        words = memoryview(mmap(file.fileno(), 0)).cast("Q")
    for _ in range(rounds):
        words[1] = 0
        words[1] = 0xFFFF_FFFF_FFFF_FFFF
    words[0] = 1


def test_a_word_is_never_seen_half_written(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        words = memoryview(mmap(file.fileno(), 0)).cast("Q")
    process = fork.Process(target=flip, args=(path, 200_000))
    process.start()
    seen = set()
    while not words[0]:
        seen.add(words[1])
    process.join()
    assert seen <= {0, 0xFFFF_FFFF_FFFF_FFFF}
