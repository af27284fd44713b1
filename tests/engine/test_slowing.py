"""Slowed ends: the spin is inside the phase that is named, and without one nothing is wrapped."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import pytest

from benchkit.engine import slowing
from benchkit.engine.slowing import slowed_coder, slowed_receiver, slowed_sender, slowed_stage
from benchkit.records.samples import PHASES
from benchkit.scenario.model import WAITS, WhatIfOptions
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Delivery, Receiver, Reply, Sender

ADDED_NS = 3_000_000


class Idle(Sender):
    """Takes nothing at the first try, then everything; has one reply."""

    def __init__(self):
        self.tries = 0
        self.replies = [Reply(memoryview(b""))]

    def send(self, parts, timeout):
        self.tries += 1
        return self.tries % 2 == 0

    def reply(self, timeout):
        return self.replies.pop() if self.replies else None


class One(Receiver):
    def __init__(self, deliveries):
        self.deliveries = deliveries

    def receive(self, timeout):
        return self.deliveries.pop() if self.deliveries else None


def took_ns(call):
    began = time.monotonic_ns()
    with suppress(StopIteration):
        call()
    return time.monotonic_ns() - began


def test_what_is_not_slowed_is_not_wrapped():
    codec, sender, receiver, stage = Raw(), Idle(), One([]), Null().open(0)
    other = {"queue": 5}
    assert slowed_coder(codec, other, encode="encode", decode="") is codec
    assert slowed_sender(sender, other) is sender
    assert slowed_receiver(receiver, other) is receiver
    assert slowed_stage(stage, other) is stage


def test_encode_and_decode_take_longer_each_by_its_own():
    slow = slowed_coder(Raw(), {"reply": ADDED_NS, "decode": 0}, encode="reply", decode="decode")
    arrays = {"x": np.arange(4)}
    body = memoryview(b"".join(slow.encode(arrays, b"m")))
    assert took_ns(lambda: slow.encode(arrays, b"m")) >= ADDED_NS
    decoded, metadata = slow.decode(body)
    assert metadata == b"m"
    assert np.array_equal(decoded["x"], arrays["x"])
    assert min(took_ns(lambda: slow.decode(body)) for _ in range(5)) < ADDED_NS


def test_a_message_that_found_no_room_is_slowed_once():
    slow = slowed_sender(Idle(), {"send": ADDED_NS})
    assert took_ns(lambda: slow.send([b""], 0)) >= ADDED_NS
    # The same message again: of five such the fastest says that nothing was spun.
    again = []
    for _ in range(5):
        again.append(took_ns(lambda: slow.send([b""], 0)))
        slow.send([b""], 0)
    assert min(again) < ADDED_NS


def test_only_a_reply_that_came_is_slowed():
    slow = slowed_sender(Idle(), {"return": ADDED_NS})
    assert took_ns(lambda: slow.reply(0)) >= ADDED_NS
    assert min(took_ns(lambda: slow.reply(0)) for _ in range(5)) < ADDED_NS


def test_only_a_message_that_came_is_slowed_in_transit():
    class Empty(Delivery):
        def reply(self, parts): ...
        def ack(self): ...

    slow = slowed_receiver(One([Empty()]), {"transit": ADDED_NS})
    assert took_ns(lambda: slow.receive(0)) >= ADDED_NS
    assert min(took_ns(lambda: slow.receive(0)) for _ in range(5)) < ADDED_NS


def test_compute_is_slowed_once_a_batch():
    slow = slowed_stage(Null().open(0), {"compute": ADDED_NS})
    assert took_ns(lambda: slow.run([])) >= ADDED_NS


def test_every_phase_is_either_work_that_can_be_slowed_or_a_wait():
    assert sorted([*slowing.PHASES, *WAITS]) == sorted(PHASES)
    for phase in slowing.PHASES:
        WhatIfOptions(phases=(phase,))
    for phase in WAITS:
        with pytest.raises(ValueError, match="waiting, not work"):
            WhatIfOptions(phases=(phase,))
