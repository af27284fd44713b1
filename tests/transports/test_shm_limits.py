"""Loans, spinning and memory of the shared-memory transport, beyond what conformance asks for."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from test_shm import a_setup, ends, finish

from benchkit.errors import BrokerError
from benchkit.runtime.folders import SEGMENTS
from benchkit.transports._shm import party as party_module
from benchkit.transports.base import Address
from benchkit.transports.shm import Shm

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["benchkit.transports.shm"])
STATUS = Path("/proc/self/status")
GIB = 1 << 30


def test_a_loan_is_the_memory_that_the_reader_sees(tmp_path: Path) -> None:
    with ends(tmp_path, depth=1) as (sender, (receiver,), _):
        slot = sender.loan(100, 0)
        assert slot is not None
        view = slot.view
        view[:4] = b"then"
        slot.send(4)
        delivery = receiver.receive(0)
        assert delivery is not None
        view[:3] = b"now"  # what must not be done shows that nothing was copied
        assert finish(delivery) == b"nown"


def test_a_slot_ends_with_its_sender(tmp_path: Path) -> None:
    transport = Shm(depth=2)
    with transport.prepare(a_setup(tmp_path)) as address:
        receiver, sender = transport.receiver(address, 0), transport.sender(address)
        slot, other = sender.loan(10, 0), sender.loan(10, 0)
        assert slot is not None
        assert other is not None
        sender.close()
        heir = transport.sender(address)
        with pytest.raises(BrokerError, match="its sender was closed"):
            slot.send(10)
        other.give_back()
        assert [heir.send([b"%d" % number], 0) for number in range(3)] == [True, True, False]
        assert finish(receiver.receive(0)) == b"0"
        heir.close()
        receiver.close()


def counted(waits: list[float], spin_s: float) -> list[float]:
    """How long is spun in each of these waits, on a clock of the test's own; the last is awaited in vain."""
    now_s = 0.0
    due_s = 0.0

    def clock() -> float:
        nonlocal now_s
        now_s += 1e-6
        return now_s

    class Waiter(party_module.Party):
        def __init__(self) -> None:
            self._spin_s, self._clock, self.spun_s = spin_s, clock, 0.0
            self._short = party_module._ALL

        def _sleep(self, ready: Callable[[], bool], until_s: float) -> bool:
            nonlocal now_s
            now_s = max(now_s, due_s)
            return ready()

    waiter = Waiter()
    spun = []
    for wait_s in waits:
        before_s = waiter.spun_s
        due_s = now_s + wait_s
        assert waiter.wait(lambda due_s=due_s: now_s >= due_s, now_s + 1.0)
        spun.append(waiter.spun_s - before_s)
    return spun


def test_spinning_ends_where_it_never_pays_and_comes_back_where_it_does() -> None:
    budget_s = 100e-6
    spun = counted([0.02] * 100 + [60e-6] * 100, budget_s)
    long, short = spun[:100], spun[100:]
    assert all(each >= budget_s for each in long[:5])
    assert not any(long[30:])
    assert not any(short[:3])
    assert all(40e-6 < each < 80e-6 for each in short[30:])


def test_a_quarter_of_short_waits_is_enough() -> None:
    spun = counted([60e-6, 0.02] * 100, 100e-6)
    assert all(spun)


def test_no_budget_is_no_spinning() -> None:
    assert not any(counted([60e-6, 0.02] * 20, 0.0))


def resident_bytes() -> int:
    """Of this process, shared memory included."""
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def carry(address: Address, end: str, nbytes: int, count: int, pipe: Connection) -> None:
    """One end; tells by how much its peak of memory grew while it was open."""
    payload = memoryview(bytearray(nbytes)) if end == "sender" else memoryview(b"")
    payload = payload.cast("B")
    if end == "sender":
        payload[:] = bytes([7]) * nbytes
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew here
    before = resident_bytes()
    transport = Shm(depth=int(address.where["depth"]))
    if end == "sender":
        sender = transport.sender(address)
        for _ in range(count):
            assert sender.send([payload], 60)
            assert sender.reply(60) is not None
        sender.close()
    else:
        receiver = transport.receiver(address, 0)
        pipe.send(0)
        for _ in range(count):
            delivery = receiver.receive(60)
            assert delivery is not None
            assert delivery.view.nbytes == nbytes
            assert delivery.view[:9] == delivery.view[-9:] == b"\7" * 9
            delivery.reply([b"ok"])
            delivery.ack()
            delivery.release()
        receiver.close()
    pipe.send(resident_bytes() - before)


def grown(tmp_path: Path, nbytes: int, depth: int, count: int) -> list[int]:
    """Bytes by which the peaks of sender and receiver grew."""
    with Shm(depth=depth).prepare(a_setup(tmp_path, message_bytes=nbytes)) as address:
        pipes = []
        processes = []
        for end in ("receiver", "sender"):
            here, there = forks.Pipe(duplex=False)
            process = forks.Process(target=carry, args=(address, end, nbytes, count, there))
            process.start()
            there.close()
            if end == "receiver":
                assert here.recv() == 0
            pipes.append(here)
            processes.append(process)
        told = [pipe.recv() for pipe in pipes]
        for process in processes:
            process.join()
        return told


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the kernel's peak of memory")
@pytest.mark.parametrize("depth", [1, 4])
def test_no_end_holds_more_than_its_slots_and_two_messages(tmp_path: Path, depth: int) -> None:
    nbytes = 16 << 20
    for bytes_ in grown(tmp_path, nbytes, depth, 3 * depth):
        assert bytes_ <= (depth + 2) * nbytes


def _room_for_a_gibibyte() -> bool:
    facts = os.statvfs(SEGMENTS) if SEGMENTS.is_dir() else None
    free = facts.f_bavail * facts.f_frsize if facts else 0
    return min(free, psutil.virtual_memory().available // 4) > GIB + (1 << 20)


@pytest.mark.slow
@pytest.mark.skipif(not _room_for_a_gibibyte(), reason="needs 1 GiB of shared memory and 4 GiB of memory")
def test_a_gibibyte_crosses(tmp_path: Path) -> None:
    for bytes_ in grown(tmp_path, GIB, 1, 1):
        assert bytes_ <= 3 * GIB
