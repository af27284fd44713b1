"""Messages that stand in lent slots: all take their turns, arrive whole, and none is copied when it is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.engine import in_place
from benchkit.engine.feed import Prepared, prepare
from benchkit.engine.in_place import InPlace
from benchkit.sources.base import Item
from benchkit.tensors import integrity
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import header, total_bytes, unpack
from benchkit.transports._shm.receiver import ShmDelivery, ShmReceiver
from benchkit.transports.base import Setup
from benchkit.transports.shm import Shm

CODEC = Raw()
REPLY = header(0, 0)


def a_message(index: int) -> Prepared:
    return prepare(Item({"x": np.full(300 + 7 * index, index, np.uint8)}), CODEC, index)


@contextmanager
def ends(folder: Path, messages: int, depth: int) -> Iterator[tuple[InPlace, ShmReceiver]]:
    def share(key: str, make: Any) -> Any:
        raise AssertionError

    setup = Setup(f"benchkit-test-{os.urandom(6).hex()}", folder, 4096, 256, 1, share)
    transport = Shm(depth=depth, loan=True)
    with transport.prepare(setup) as address:
        receiver = transport.receiver(address, 0)
        sender = InPlace(transport.sender(address), [a_message(index) for index in range(messages)], CODEC)
        yield sender, receiver
        sender.close()
        receiver.close()


def send(sender: InPlace, seq: int) -> bool:
    """As the producer does."""
    message = sender.take()
    parts = CODEC.encode(message.arrays, message.metadata)
    head = header(seq, total_bytes(parts), 0, message.fingerprint, message.checksum, message.index)
    return sender.send([head, *parts], 0)


def received(receiver: ShmReceiver) -> tuple[ShmDelivery, int, int]:
    """A delivery that is whole, its sequence number and which message it is."""
    delivery = receiver.receive(0)
    assert delivery is not None
    envelope, body = unpack(delivery.view)
    assert integrity.checksum(body) == envelope.checksum
    arrays, _ = CODEC.decode(body)
    assert (arrays["x"] == envelope.item).all()
    return delivery, envelope.seq, envelope.item


def finish(delivery: ShmDelivery) -> None:
    delivery.reply([REPLY])
    delivery.ack()
    delivery.release()


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each message that was copied into a slot."""
    sizes: list[int] = []
    copy = in_place._copy

    def counted(body: Any, view: memoryview) -> None:
        sizes.append(total_bytes(body))
        copy(body, view)

    monkeypatch.setattr(in_place, "_copy", counted)
    return sizes


@pytest.mark.parametrize(("messages", "depth"), [(1, 1), (1, 4), (3, 4), (4, 4)])
def test_all_messages_take_their_turns_and_none_is_copied_again(
    tmp_path: Path, copied: list[int], messages: int, depth: int
) -> None:
    with ends(tmp_path, messages, depth) as (sender, receiver):
        items = []
        for seq in range(5 * depth):
            assert send(sender, seq)
            delivery, came, item = received(receiver)
            assert came == seq
            items.append(item)
            finish(delivery)
            assert sender.reply(0) is not None
        assert items == [place % messages for place in range(depth)] * 5
        assert len(copied) == depth


def test_a_queue_that_is_full_in_order_needs_no_copy_either(tmp_path: Path, copied: list[int]) -> None:
    with ends(tmp_path, 3, 3) as (sender, receiver):
        assert [send(sender, seq) for seq in range(4)] == [True, True, True, False]
        for seq in range(3, 30):
            delivery, _, _ = received(receiver)
            finish(delivery)
            assert sender.reply(0) is not None
            assert send(sender, seq)
        assert len(copied) == 3


def test_what_comes_back_out_of_order_is_written_again_and_arrives_whole(
    tmp_path: Path, copied: list[int]
) -> None:
    with ends(tmp_path, 3, 3) as (sender, receiver):
        for seq in range(3):
            assert send(sender, seq)
        held = [received(receiver)[0] for _ in range(3)]
        message = sender.take()  # the one that should be back first
        finish(held[2])
        parts = CODEC.encode(message.arrays, message.metadata)
        head = header(3, total_bytes(parts), 0, message.fingerprint, message.checksum, message.index)
        assert sender.send([head, *parts], 0)
        assert received(receiver)[1:] == (3, message.index)
        assert copied[3:] == [message.wire_bytes]
