"""What the producer reports holds however its block ends."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchkit.engine.dues import drawn
from benchkit.engine.feed import Pool, Stream, prepare
from benchkit.engine.join import producer_columns
from benchkit.engine.pacing import SPIN_NS
from benchkit.engine.producer import Producer
from benchkit.engine.task import Task
from benchkit.errors import BrokerError
from benchkit.load.closed import Closed
from benchkit.load.constant import Constant
from benchkit.load.poisson import Poisson
from benchkit.sources.base import Item, Source
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import REPLY, Envelope, pack, unpack_envelope
from benchkit.transports.base import Reply, Sender

MESSAGE = prepare(Item({"x": np.arange(4)}), Raw(), 0)


class Answering(Sender):
    """Answers each message at once, until message number `breaks` raises; `refuses` are rejected later."""

    def __init__(self, breaks=None, refuses=(), replies=True):
        self.sent = []
        self.waiting = []
        self.breaks = breaks
        self.refuses = refuses
        self.replies = replies

    def send(self, parts, timeout):
        if len(self.sent) == self.breaks:
            raise BrokerError("the broker closed the connection")
        envelope = unpack_envelope(parts[0])
        if len(self.sent) in self.refuses:
            self.waiting.append(Reply(memoryview(bytes(parts[0])), rejected=True))
        elif self.replies:
            self.waiting.append(Reply(memoryview(pack(Envelope(envelope.seq, 0, REPLY)))))
        self.sent.append(envelope)
        return True

    def reply(self, timeout):
        return self.waiting.pop(0) if self.waiting else None


class Never(Raw):
    """A codec that raises when it encodes."""

    def encode(self, arrays, metadata):
        raise ValueError("not today")


def task(**changes):
    options = {
        "cell": "c", "source": {}, "codec": {}, "transport": {}, "stage": {}, "load": {}, "where": {},
        "first_seq": 0, "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "duration_s": 0.02,
        "warmup_s": 0.01, "drain_s": 5.0, "payload_seed": 0, "schedule_seed": 0, "stage_seed": 0,
        "checksum_every": 0, "stop_on_error": False, "one_process": False,
    }  # fmt: skip
    return Task(**{**options, **changes})


def producer(sender, *, codec=None, stopped=lambda: False, **changes):
    return Producer(task(**changes), Pool([MESSAGE]), codec or Raw(), sender, {}, stopped)


def run(made, load):
    made.run(drawn(load, made._task))


@pytest.mark.parametrize("codec", [None, Never()])
def test_whatever_raises_the_columns_stay_equally_long(codec):
    made = producer(Answering(breaks=2), codec=codec)
    with pytest.raises((BrokerError, ValueError)):
        run(made, Constant(rate=500))
    lengths = {len(column) for column in producer_columns(made.result()["columns"]).values()}
    assert lengths == {1 if codec else 3}


def test_a_block_that_ends_within_its_warm_up_measured_nothing():
    made = producer(Answering(), stopped=lambda: len(made.due) >= 2, warmup_s=0.02)
    run(made, Constant(rate=500))
    result = made.result()
    assert len(made.due) == 20
    assert result["warmup_messages"] == 10


def test_a_closed_loop_whose_first_reply_comes_after_its_end_measured_nothing():
    made = producer(Answering(), warmup_s=10.0, duration_s=0.0, stopped=lambda: len(made.due) >= 3)
    run(made, Closed(in_flight=1))
    assert made.result()["warmup_messages"] == len(made.due) == 3


def test_messages_flagged_as_warm_up_are_those_that_are_counted_as_such():
    sender = Answering()
    made = producer(sender)
    run(made, Constant(rate=500))
    flagged = sum(bool(envelope.flags) for envelope in sender.sent)
    assert flagged == made.result()["warmup_messages"] == 5


def test_without_replies_a_late_refusal_is_seen_and_not_taken_for_a_loss():
    made = producer(Answering(refuses=(1, 3), replies=False), replies=False)
    run(made, Constant(rate=500))
    assert np.flatnonzero(np.array(made.status) == 3).tolist() == [1, 3]
    assert made.result()["outstanding"] == 0


def test_a_reply_that_is_no_message_is_counted():
    sender = Answering()
    sender.waiting.append(Reply(memoryview(b"garbage")))
    made = producer(sender)
    run(made, Constant(rate=500))
    assert made.result()["malformed"] == 1


@pytest.mark.parametrize("producers", [1, 2, 3, 30])
def test_producers_deal_the_one_schedule_out_and_number_it_as_one_would(producers):
    load = Poisson(rate=500)
    seen = []
    for number in range(producers):
        sender = Answering()
        made = producer(
            sender, producers=producers, producer=number, first_seq=70, start_ns=time.monotonic_ns()
        )
        run(made, load)
        told = made.result()
        assert (told["outstanding"], told["unexpected"]) == (0, 0)
        due = np.array(made.due) - made.started_ns
        warmed = sum(bool(envelope.flags) for envelope in sender.sent)
        assert warmed == told["warmup_messages"] == np.count_nonzero(due < 10_000_000)
        seen += zip([envelope.seq - 70 for envelope in sender.sent], due.tolist(), strict=True)
    assert sorted(seen) == list(enumerate(load.offsets_ns(0.03, 0).tolist()))


def test_a_reply_of_another_producer_is_no_reply_of_this_one():
    sender = Answering()
    sender.waiting.append(Reply(memoryview(pack(Envelope(71, 0, REPLY)))))
    made = producer(sender, producers=2, producer=0, first_seq=70)
    run(made, Constant(rate=500))
    assert made.result()["unexpected"] == 1


def test_a_closed_loops_places_are_dealt_out():
    class Silent(Answering):
        def reply(self, timeout):
            return None

    sent = []
    for number in range(3):
        sender = Silent()
        producer(sender, producers=3, producer=number, drain_s=0.05).run(Closed(in_flight=5))
        sent += [envelope.seq for envelope in sender.sent]
    assert sorted(sent) == [0, 1, 2, 3, 4]


class Costly(Source):
    kind = "costly"

    def label(self):
        return "costly"

    def items(self, seed):
        for _ in range(40):
            sum(range(100_000))
            yield Item({"x": np.arange(4)})


def test_making_messages_anew_is_not_the_producers_cpu_time():
    feed = Stream(Costly(distinct=0), Raw(), 0)
    made = Producer(task(), feed, Raw(), Answering(), {}, lambda: False)
    made.spending.begin()
    while feed.take() is not None:
        pass
    feed.close()
    assert made.spending.told()["cpu_ns"] < feed.cpu_ns / 4


class Clock:
    """Stands in for `time`: reading it takes a microsecond, sleeping as long as asked."""

    def __init__(self):
        self.now = 0

    def monotonic_ns(self):
        self.now += 1000
        return self.now

    thread_time_ns = monotonic_ns

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)


class Unanswering(Answering):
    """Takes everything and answers nothing; looking for a reply takes the time that it may take."""

    def __init__(self, clock):
        super().__init__(replies=False)
        self.clock = clock

    def reply(self, timeout):
        self.clock.sleep(timeout)


def paced(monkeypatch, sender=None, **changes):
    clock = Clock()
    monkeypatch.setattr("benchkit.engine.producer.time", clock)
    made = producer(sender(clock) if sender else Answering(), **changes)
    run(made, Constant(rate=500))
    late_ns = np.array(made.taken) - np.array(made.due)
    assert (late_ns >= 0).all()
    return made, late_ns.max()


@pytest.mark.parametrize("one_process", [False, True])
def test_the_last_stretch_is_spun_also_beside_a_worker_that_has_nothing_to_do(monkeypatch, one_process):
    made, late_ns = paced(monkeypatch, one_process=one_process)
    assert made.spending.spun_cpu_ns > 0
    assert late_ns < 20_000


def test_nobody_spins_beside_a_worker_of_the_same_process_that_may_be_busy(monkeypatch):
    asked, _ = paced(monkeypatch, Unanswering, one_process=True)
    unasked, _ = paced(monkeypatch, one_process=True, replies=False)
    apart, _ = paced(monkeypatch, Unanswering)
    assert asked.outstanding == len(asked.due)
    # Before the first message nothing is under way; after it something always is.
    assert asked.spending.spun_cpu_ns <= SPIN_NS
    assert unasked.spending.spun_cpu_ns == 0
    assert apart.spending.spun_cpu_ns > SPIN_NS
