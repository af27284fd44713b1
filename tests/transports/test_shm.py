"""The shared-memory transport as its ends see it, both ends in this process."""

from __future__ import annotations

import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchkit.errors import BrokerError, Rejected, StorageError, UsageError
from benchkit.runtime.folders import SEGMENTS
from benchkit.transports import shm
from benchkit.transports._shm.receiver import ShmReceiver
from benchkit.transports._shm.sender import ShmSender
from benchkit.transports._shm.wake import futex_works
from benchkit.transports.base import Address, Setup
from benchkit.transports.shm import Shm

PAGE = os.sysconf("SC_PAGE_SIZE")


def _share(key: str, make: Callable[[], AbstractContextManager[Any]]) -> Any:
    raise AssertionError("shared memory shares nothing between cells")


def a_setup(folder: Path, message_bytes: int = 4096, reply_bytes: int = 256, workers: int = 1) -> Setup:
    return Setup(f"benchkit-test-{os.urandom(6).hex()}", folder, message_bytes, reply_bytes, workers, _share)


@contextmanager
def ends(
    folder: Path, depth: int = 4, workers: int = 1, **sizes: int
) -> Iterator[tuple[ShmSender, list[ShmReceiver], Address]]:
    transport = Shm(depth=depth)
    with ExitStack() as stack:
        address = stack.enter_context(transport.prepare(a_setup(folder, workers=workers, **sizes)))
        receivers = []
        for worker in range(workers):
            receivers.append(transport.receiver(address, worker))
            stack.callback(receivers[-1].close)
        sender = transport.sender(address)
        stack.callback(sender.close)
        yield sender, receivers, address


def finish(delivery: Any, reply: bytes | None = None) -> bytes:
    message = bytes(delivery.view)
    if reply is not None:
        delivery.reply([reply])
    delivery.ack()
    delivery.release()
    return message


@pytest.fixture(params=["futex", "fifo"])
def wake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "futex" and not futex_works():
        pytest.skip("no futex on this system")
    monkeypatch.setattr(shm, "futex_works", lambda: request.param == "futex")
    return str(request.param)


def test_messages_arrive_in_order_whole_and_gathered(tmp_path: Path) -> None:
    with ends(tmp_path) as (sender, (receiver,), _):
        for number in range(50):
            assert sender.send([b"%d" % number, bytearray(b"-"), memoryview(b"end")], 1)
            assert finish(receiver.receive(1)) == b"%d-end" % number


def test_the_view_is_read_only_and_aligned(tmp_path: Path) -> None:
    import numpy as np

    with ends(tmp_path, message_bytes=100) as (sender, (receiver,), _):
        for _ in range(5):
            sender.send([b"x" * 64], 1)
            delivery = receiver.receive(1)
            assert delivery is not None
            assert delivery.view.readonly
            assert np.frombuffer(delivery.view, np.uint8).ctypes.data % 64 == 0
            finish(delivery)


def test_several_deliveries_are_held_and_acknowledged_in_any_order(tmp_path: Path) -> None:
    chance = random.Random(7)
    with ends(tmp_path, depth=5) as (sender, (receiver,), _):
        for _ in range(30):
            sent = [os.urandom(20) for _ in range(5)]
            assert [sender.send([message], 1) for message in sent] == [True] * 5
            held = [receiver.receive(1) for _ in sent]
            assert [bytes(delivery.view) for delivery in held if delivery] == sent
            chance.shuffle(held)
            for delivery in held:
                finish(delivery)


def test_full_means_depth_messages_and_one_finished_makes_room_for_one(tmp_path: Path) -> None:
    with ends(tmp_path, depth=3) as (sender, (receiver,), _):
        assert [sender.send([b"%d" % number], 0) for number in range(4)] == [True, True, True, False]
        first, second = receiver.receive(0), receiver.receive(0)
        assert first is not None
        assert second is not None
        assert not sender.send([b"no"], 0)
        finish(second)  # not the oldest: the place of any message will do
        assert sender.send([b"3"], 0)
        assert not sender.send([b"no"], 0.01)
        assert bytes(first.view) == b"0"


def test_a_slot_is_reused_only_after_ack_and_release_in_either_order(tmp_path: Path) -> None:
    with ends(tmp_path, depth=1) as (sender, (receiver,), _):
        for ack_first in (True, False):
            assert sender.send([b"mine"], 0)
            delivery = receiver.receive(0)
            assert delivery is not None
            steps = [delivery.ack, delivery.release]
            if not ack_first:
                steps.reverse()
            steps[0]()
            assert not sender.send([b"other"], 0)
            assert bytes(delivery.view) == b"mine"
            steps[1]()
        assert sender.send([b"other"], 0)


def test_replies_come_back_also_when_nobody_reads_them_while_sending(tmp_path: Path) -> None:
    with ends(tmp_path, depth=2) as (sender, (receiver,), _):
        for number in range(20):
            assert sender.send([b"%d" % number], 0)
            finish(receiver.receive(0), b"re %d" % number)
        got = []
        while reply := sender.reply(0):
            assert not reply.rejected
            got.append(bytes(reply.view))
        assert got == [b"re %d" % number for number in range(20)]
        assert sender.reply(0.001) is None


def test_a_reply_keeps_its_bytes_until_the_next_call(tmp_path: Path) -> None:
    with ends(tmp_path, depth=1) as (sender, (receiver,), _):
        sender.send([b"a"], 0)
        finish(receiver.receive(0), b"first")
        reply = sender.reply(0)
        assert reply is not None
        assert bytes(reply.view) == b"first"
        assert reply.view.readonly
        assert sender.send([b"b"], 0)
        finish(receiver.receive(0), b"")
        reply = sender.reply(0)
        assert reply is not None
        assert bytes(reply.view) == b""


def test_sizes_up_to_the_slot_pass_and_one_byte_more_is_rejected(tmp_path: Path) -> None:
    with ends(tmp_path, message_bytes=PAGE - 5, reply_bytes=64) as (sender, (receiver,), _):
        for size in (0, 1, PAGE):
            message = os.urandom(size)
            assert sender.send([message], 0)
            assert finish(receiver.receive(0)) == message
        with pytest.raises(Rejected, match=f"{PAGE + 1} bytes exceeds the slot of {PAGE} bytes"):
            sender.send([bytes(PAGE), b"x"], 0)
        assert sender.send([b"after"], 0)
        delivery = receiver.receive(0)
        assert delivery is not None
        with pytest.raises(Rejected, match="64 bytes"):
            delivery.reply([bytes(65)])
        assert finish(delivery) == b"after"


def test_no_parts_at_all_is_an_empty_message(tmp_path: Path) -> None:
    with ends(tmp_path, message_bytes=0, reply_bytes=0) as (sender, (receiver,), _):
        sender.send([], 0)
        assert finish(receiver.receive(0), b"") == b""
        assert sender.reply(0) is not None


def test_a_large_message(tmp_path: Path) -> None:
    size = 256 << 20
    with ends(tmp_path, depth=1, message_bytes=size) as (sender, (receiver,), _):
        half = memoryview(bytes(range(256)) * (size // 512))
        assert sender.send([half, half], 1)
        delivery = receiver.receive(1)
        assert delivery is not None
        assert delivery.view.nbytes == size
        assert delivery.view[: size // 2] == half
        assert delivery.view[size // 2 :] == half
        finish(delivery)


def test_two_workers_share_one_queue(tmp_path: Path, wake: str) -> None:
    transport, count = Shm(depth=4), 300
    seen: list[list[int]] = [[], []]
    with transport.prepare(a_setup(tmp_path, workers=2)) as address:
        opened = threading.Barrier(3, timeout=20)

        def work(worker: int) -> None:
            receiver = transport.receiver(address, worker)
            opened.wait()
            while message := finish(receiver.receive(20), b"ok"):
                seen[worker].append(int(message))
            receiver.close()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
        for thread in threads:
            thread.start()
        opened.wait()
        sender = transport.sender(address)
        for number in range(count):
            assert sender.send([b"%d" % number], 20)
        for _ in threads:
            assert sender.send([b""], 20)
        for _ in range(count + 2):
            assert sender.reply(20) is not None
        for thread in threads:
            thread.join(20)
        sender.close()
        assert wake in address.path
    assert sorted(seen[0] + seen[1]) == list(range(count))
    assert seen == [sorted(numbers) for numbers in seen]


def test_a_sleeping_worker_and_a_sleeping_sender_are_woken(tmp_path: Path, wake: str) -> None:
    transport = Shm(depth=1, spin=0)
    with transport.prepare(a_setup(tmp_path)) as address:
        receiver = transport.receiver(address, 0)
        sender = transport.sender(address)

        def work() -> None:
            for _ in range(20):
                finish(receiver.receive(20), b"ok")

        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(20):
            assert sender.send([b"x"], 20)
            assert sender.reply(20) is not None
        thread.join(20)
        receiver.close()
        sender.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_queue_answers_none(tmp_path: Path) -> None:
    with ends(tmp_path) as (sender, (receiver,), _):
        assert receiver.receive(0) is None
        assert receiver.receive(0.01) is None
        assert sender.reply(0) is None
        assert sender.reply(0.01) is None


def test_close_leaves_what_was_not_acknowledged_to_the_next(tmp_path: Path) -> None:
    transport = Shm(depth=3)
    with transport.prepare(a_setup(tmp_path)) as address, ExitStack() as stack:
        first = transport.receiver(address, 0)
        sender = transport.sender(address)
        stack.callback(sender.close)
        for number in range(3):
            sender.send([b"%d" % number], 0)
        held = [first.receive(0) for _ in range(3)]
        assert held[0] is not None
        assert held[1] is not None
        finish(held[0])
        held[1].ack()  # acknowledged and still looked at: done for all others
        first.close()
        second = transport.receiver(address, 0)
        stack.callback(second.close)
        assert finish(second.receive(0)) == b"2"
        assert second.receive(0) is None
        assert [sender.send([b""], 0) for _ in range(4)] == [True, True, True, False]


def test_a_stale_delivery_sees_that_its_message_went_to_another(tmp_path: Path) -> None:
    transport = Shm(depth=1)
    with transport.prepare(a_setup(tmp_path, workers=2)) as address, ExitStack() as stack:
        sender = transport.sender(address)
        stack.callback(sender.close)
        first, second = transport.receiver(address, 0), transport.receiver(address, 1)
        stack.callback(second.close)
        sender.send([b"x"], 0)
        stale = first.receive(0)
        assert stale is not None
        # As if worker 0 had died: the other takes its message while this view still exists.
        with second.party.lock:
            assert second.party.table.adopt_worker(0)
        fresh = second.receive(0)
        assert fresh is not None
        for late in (stale.ack, lambda: stale.reply([b"late"])):
            with pytest.raises(BrokerError, match="stale"):
                late()
        stale.release()
        assert finish(fresh, b"good") == b"x"
        reply = sender.reply(0)
        assert reply is not None
        assert bytes(reply.view) == b"good"
        first.close()
        with pytest.raises(BrokerError, match="stale"):
            stale.ack()


def test_a_message_delivered_twice_has_one_reply(tmp_path: Path) -> None:
    transport = Shm(depth=1)
    with transport.prepare(a_setup(tmp_path)) as address, ExitStack() as stack:
        sender = transport.sender(address)
        stack.callback(sender.close)
        sender.send([b"x"], 0)
        first = transport.receiver(address, 0)
        delivery = first.receive(0)
        assert delivery is not None
        delivery.reply([b"one"])
        first.close()
        second = transport.receiver(address, 0)
        stack.callback(second.close)
        assert finish(second.receive(0), b"two") == b"x"
        replies = [sender.reply(0), sender.reply(0)]
        assert replies[0] is not None
        assert bytes(replies[0].view) == b"one"
        assert replies[1] is None
        assert sender.send([b"y"], 0)


def test_an_end_is_one_party(tmp_path: Path) -> None:
    with ends(tmp_path) as (_, _, address):
        with pytest.raises(BrokerError, match="worker 0 is connected"):
            Shm().receiver(address, 0)
        with pytest.raises(BrokerError, match="a sender is connected"):
            Shm().sender(address)
        with pytest.raises(UsageError, match="worker 1 of a segment for 1"):
            Shm().receiver(address, 1)


def test_the_segment_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with ends(tmp_path) as (_, _, address):
        path = Path(str(address.where["path"]))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.name.startswith("benchkit-test-")
        assert "4 slots of 4.1 kB" in address.path
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BrokerError, match="cannot open"):
        Shm().sender(address)


def test_no_room_is_an_error_with_the_figures_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(SEGMENTS.glob("benchkit-test-*"))
    free = os.statvfs(SEGMENTS)
    too_much = free.f_bavail * free.f_frsize // 4
    with (
        pytest.raises(StorageError, match=r"8 slots .* need \d+ bytes .* \d+ bytes are free") as raised,
        Shm(depth=8).prepare(a_setup(tmp_path, message_bytes=too_much)),
    ):
        pass
    assert "shm-size" in raised.value.remedy
    assert set(SEGMENTS.glob("benchkit-test-*")) == before
    assert list(tmp_path.iterdir()) == []


def test_room_that_vanishes_while_it_is_taken_is_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = set(SEGMENTS.glob("benchkit-test-*"))
    with pytest.raises(StorageError, match="bytes are free"), Shm().prepare(a_setup(tmp_path)):
        pass
    assert set(SEGMENTS.glob("benchkit-test-*")) == before


def test_a_segment_of_another_layout_is_refused(tmp_path: Path) -> None:
    with ends(tmp_path) as (_, _, address):
        other = Address({**address.where, "depth": 1, "slot_bytes": 4 * PAGE})
        with pytest.raises(BrokerError):
            Shm().receiver(other, 0)
