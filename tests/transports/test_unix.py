"""Facts of the Unix socket transport that the conformance suite cannot know."""

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchkit.errors import BrokerError, Rejected, StorageError
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import Address, Delivery, Receiver, Sender, Setup
from benchkit.transports.unix import Unix

PATIENCE_S = 10.0


def _setup(folder: Path, name: str = "cell", workers: int = 1, message_bytes: int = 1 << 24) -> Setup:
    return Setup(
        name, folder, message_bytes, 1 << 20, workers, lambda key, make: pytest.fail("nothing is shared")
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    with run_folder() as (_, path):
        yield path


class Ends:
    """Ends that are closed when the test is over."""

    def __init__(self, transport: Unix, address: Address, stack: ExitStack) -> None:
        self._transport, self._address, self._stack = transport, address, stack

    def receiver(self, worker: int = 0) -> Receiver:
        receiver = self._transport.receiver(self._address, worker)
        self._stack.callback(receiver.close)
        return receiver

    def sender(self) -> Sender:
        sender = self._transport.sender(self._address)
        self._stack.callback(sender.close)
        return sender


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def ends(folder: Path, stack: ExitStack) -> Ends:
    transport = Unix(depth=4)
    return Ends(transport, stack.enter_context(transport.prepare(_setup(folder, workers=2))), stack)


def _taken(receiver: Receiver) -> Delivery:
    delivery = receiver.receive(PATIENCE_S)
    assert delivery is not None
    return delivery


def test_only_the_owner_may_connect(folder: Path, ends: Ends) -> None:
    ends.receiver()
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_path_that_no_socket_can_have_is_an_error_with_a_remedy(folder: Path) -> None:
    with pytest.raises(StorageError, match="TMPDIR"), Unix().prepare(_setup(folder, name="x" * 90)):
        pass


def test_a_sender_without_workers_says_so(ends: Ends) -> None:
    with pytest.raises(BrokerError, match="no worker listens"):
        ends.sender()


@pytest.mark.parametrize(
    ("kind", "length"),
    [(0, 1 << 60), (1, 8), (2, 8), (3, 8)],
    ids=["too long", "a reply", "an ack", "unknown"],
)
def test_who_sends_what_no_producer_does_is_sent_away_and_the_next_is_heard(
    folder: Path, ends: Ends, kind: int, length: int
) -> None:
    receiver = ends.receiver()
    (path,) = folder.iterdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.connect(str(path))
        stranger.sendall(kind.to_bytes(8, "little") + length.to_bytes(8, "little") + bytes(8))
        assert receiver.receive(0.05) is None
        stranger.settimeout(PATIENCE_S)
        assert stranger.recv(1) == b""
    sender = ends.sender()
    assert sender.send([b"fits"], PATIENCE_S)
    assert bytes(_taken(receiver).view) == b"fits"


def test_the_least_loaded_worker_gets_the_next_message(ends: Ends) -> None:
    first, second = ends.receiver(0), ends.receiver(1)
    sender = ends.sender()
    for number in range(4):
        assert sender.send([bytes([number])], 0)
    assert not sender.send([b"full"], 0)
    for receiver in (first, second):
        for delivery in (_taken(receiver), _taken(receiver)):
            delivery.ack()
            delivery.release()
    # All four are acknowledged; one worker now holds one, so the next two go to the other first.
    assert sender.send([b"a"], PATIENCE_S)
    assert sender.send([b"b"], PATIENCE_S)
    assert {bytes(_taken(first).view), bytes(_taken(second).view)} == {b"a", b"b"}


def test_when_one_worker_leaves_the_other_gets_everything(ends: Ends) -> None:
    leaving, staying = ends.receiver(0), ends.receiver(1)
    sender = ends.sender()
    leaving.close()
    for number in range(4):
        assert sender.send([bytes([number])], 0)
    assert [bytes(_taken(staying).view) for _ in range(4)] == [b"\0", b"\1", b"\2", b"\3"]


def test_a_message_cut_short_by_a_dying_worker_goes_to_the_other(ends: Ends) -> None:
    dying, staying = ends.receiver(0), ends.receiver(1)
    sender = ends.sender()
    body = bytes(range(256)) * 60_000
    sent: list[bool] = []
    sending = threading.Thread(target=lambda: sent.append(sender.send([body], PATIENCE_S)))
    sending.start()
    dying.receive(0.05)  # it may have begun to read, or have all of it
    dying.close()
    delivery = staying.receive(1.0)
    sending.join(PATIENCE_S)
    assert sent == [True]
    assert delivery is None or bytes(delivery.view) == body


def test_an_unfinished_message_goes_on_while_the_producer_is_elsewhere(ends: Ends) -> None:
    receiver = ends.receiver()
    sender = ends.sender()
    body = bytearray(b"\x07" * 15_000_000)
    assert sender.send([body], 0)
    body[:] = bytes(len(body))
    # Nobody calls the sender from here on.
    delivery = _taken(receiver)
    assert bytes(delivery.view) == b"\x07" * 15_000_000


def test_acks_that_find_no_room_do_not_hold_up_the_worker(folder: Path, stack: ExitStack) -> None:
    transport = Unix(depth=3000)
    ends = Ends(transport, stack.enter_context(transport.prepare(_setup(folder))), stack)
    receiver, sender = ends.receiver(), ends.sender()
    done = 0
    for _ in range(30):  # far more acknowledgements than a socket holds, none of them read
        sent = 0
        while sent < 100 and sender.send([b"x"], 0):
            sent += 1
        for _ in range(sent):
            delivery = _taken(receiver)
            delivery.ack()
            delivery.release()
            done += 1
    assert done == 3000
    assert sender.send([b"last"], PATIENCE_S)


def test_what_is_longer_than_announced_is_rejected_on_both_ways(ends: Ends) -> None:
    receiver, sender = ends.receiver(), ends.sender()
    with pytest.raises(Rejected):
        sender.send([bytes((1 << 24) + 1)], 0)
    assert sender.send([b"fits"], 0)
    with pytest.raises(Rejected):
        _taken(receiver).reply([bytes((1 << 20) + 1)])
