"""SIGKILL of either end at seeded moments: nothing torn, nothing lost beyond the promise, nothing stuck."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from benchkit.runtime import folders
from benchkit.transports.base import Address, Setup
from benchkit.transports.shm import Shm

pytestmark = pytest.mark.quiet

fork = multiprocessing.get_context("forkserver")
fork.set_forkserver_preload(["benchkit.transports.shm"])

MESSAGE_BYTES = 4 << 20
TRANSPORT = Shm(depth=3)


def setup(folder: Path, workers: int = 1) -> Setup:
    def share(key: str, make: Any) -> Any:
        raise AssertionError

    return Setup(f"benchkit-test-{os.urandom(6).hex()}", folder, MESSAGE_BYTES, 64, workers, share)


def start(target: Any, *args: Any) -> BaseProcess:
    process = fork.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


def spin(seconds: float) -> None:
    """The kill should come at any instruction, so no timer's grid."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def message(number: int) -> tuple[bytes, bytes]:
    return number.to_bytes(8, "little"), bytes([number % 251]) * (MESSAGE_BYTES - 8)


def number_of(view: memoryview) -> int:
    """The message's number; every byte is checked."""
    number = int.from_bytes(view[:8], "little")
    assert view.nbytes == MESSAGE_BYTES
    assert view[8:] == message(number)[1]
    return number


def send_for_ever(address: Address, number: int) -> None:
    sender = TRANSPORT.sender(address)
    while True:
        while not sender.send(message(number), 1):
            pass
        number += 1
        sender.reply(0)


def work_for_ever(address: Address, worker: int) -> None:
    receiver = TRANSPORT.receiver(address, worker)
    while True:
        if delivery := receiver.receive(1):
            number = number_of(delivery.view)
            delivery.reply([number.to_bytes(8, "little")])
            delivery.ack()
            delivery.release()


def test_a_producer_killed_while_it_writes_leaves_nothing_torn(tmp_path: Path) -> None:
    chance = random.Random(20)
    with TRANSPORT.prepare(setup(tmp_path)) as address:
        receiver = TRANSPORT.receiver(address, 0)
        expected = 0
        for _ in range(60):
            process = start(send_for_ever, address, expected)
            for _ in range(chance.randrange(1, 5)):
                delivery = receiver.receive(60)
                assert delivery is not None
                assert number_of(delivery.view) == expected
                expected += 1
                delivery.reply([b"ok"])
                delivery.ack()
                delivery.release()
            # The place that was just given back is being written now.
            spin(chance.uniform(0, 300e-6))
            kill(process)
            while delivery := receiver.receive(0):
                assert number_of(delivery.view) == expected
                expected += 1
                delivery.ack()
                delivery.release()
        # All slots are there still.
        sender = TRANSPORT.sender(address)
        assert [sender.send([b"%d" % slot], 0) for slot in range(4)] == [True, True, True, False]
        sender.close()
        receiver.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_at_any_moment_loses_nothing(tmp_path: Path, workers: int) -> None:
    chance = random.Random(workers)
    with TRANSPORT.prepare(setup(tmp_path, workers)) as address:
        crew = [start(work_for_ever, address, worker) for worker in range(workers)]
        sender = TRANSPORT.sender(address)
        answered: set[int] = set()
        sent = 0

        def look(timeout: float) -> None:
            if reply := sender.reply(timeout):
                answered.add(int.from_bytes(reply.view, "little"))

        for _ in range(30):
            for _ in range(chance.randrange(1, 6)):
                while not sender.send(message(sent), 0.05):
                    look(0)
                sent += 1
                look(0)
            spin(chance.uniform(0, 1e-3))
            victim = chance.randrange(workers)
            kill(crew[victim])
            crew[victim] = start(work_for_ever, address, victim)
        until = time.monotonic() + 30
        while len(answered) < sent and time.monotonic() < until:
            look(1)
        assert answered == set(range(sent))
        for process in crew:
            kill(process)
        sender.close()


def hold(address: Address, worker: int, pipe: Connection) -> None:
    receiver = TRANSPORT.receiver(address, worker)
    delivery = receiver.receive(60)
    assert delivery is not None
    pipe.send(number_of(delivery.view))
    signal.pause()


@pytest.mark.parametrize("heir", [0, 1])
def test_a_message_held_by_a_killed_worker_goes_to_an_heir(tmp_path: Path, heir: int) -> None:
    with TRANSPORT.prepare(setup(tmp_path, 2)) as address:
        here, there = fork.Pipe()
        process = start(hold, address, 0, there)
        sender = TRANSPORT.sender(address)
        assert sender.send(message(5), 1)
        assert here.recv() == 5
        other = TRANSPORT.receiver(address, 1)
        assert other.receive(0.2) is None  # the holder lives
        kill(process)
        receiver = other if heir else TRANSPORT.receiver(address, 0)
        delivery = receiver.receive(60)
        assert delivery is not None
        assert number_of(delivery.view) == 5
        delivery.ack()
        delivery.release()
        assert [sender.send(message(number), 0) for number in range(3)] == [True] * 3
        sender.close()
        other.close()
        if receiver is not other:
            receiver.close()


def test_a_sender_without_workers_does_not_hang(tmp_path: Path) -> None:
    with TRANSPORT.prepare(setup(tmp_path)) as address:
        process = start(work_for_ever, address, 0)
        sender = TRANSPORT.sender(address)
        assert sender.send(message(0), 20)
        assert sender.reply(20) is not None
        kill(process)
        results = [sender.send(message(number), 0.01) for number in range(5)]
        # Two or three: the worker may have died between its reply and its release.
        assert results in ([True, True, True, False, False], [True, True, False, False, False])
        sender.close()


def prepare_and_wait(base: str, pipe: Connection) -> None:
    tempfile.tempdir = base
    with (
        folders.run_folder() as (name, folder),
        TRANSPORT.prepare(
            Setup(f"{folders.PREFIX}{name}-0", folder, 4096, 0, 1, lambda key, make: make)
        ) as address,
    ):
        pipe.send(address.where["path"])
        signal.pause()


def test_the_next_run_sweeps_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here, there = fork.Pipe()
    process = start(prepare_and_wait, str(tmp_path), there)
    path = Path(here.recv())
    assert folders.sweep() == []
    kill(process)
    assert path.exists()
    assert len(folders.sweep()) == 1
    with suppress(OSError):
        (tmp_path / f"benchkit-{os.getuid()}").rmdir()
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
