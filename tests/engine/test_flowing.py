"""Traffic control in the producer: every drop is counted, what is to be sent again is, and nothing is lost sight of."""

from __future__ import annotations

import math
from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchkit.engine import flow_loop, producer
from benchkit.engine.dues import drawn
from benchkit.engine.fan_in import together
from benchkit.engine.feed import Pool, prepare
from benchkit.engine.flowing import FlowingProducer
from benchkit.engine.join import join, producer_columns
from benchkit.engine.task import Task
from benchkit.engine.traffic import traffic_of
from benchkit.engine.worker import COLUMNS
from benchkit.errors import Rejected
from benchkit.flow.options import FlowOptions
from benchkit.flow.retrying import RESERVE
from benchkit.load.closed import Closed
from benchkit.load.constant import Constant
from benchkit.load.poisson import Poisson
from benchkit.records.samples import Status
from benchkit.sources.base import Item
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import DROPPED, FAILED, REPLY, WARMUP, Envelope, due_of, pack, unpack_envelope
from benchkit.transports.base import Reply

MESSAGE = prepare(Item({"x": np.arange(4)}), Raw(), 0)
MS = 1_000_000


class World:
    """Stands in for `time`, for a stage and for the transport between: nothing takes real time, all of it is exact."""

    def __init__(self, service_ns=0, depth=4, workers=1, replies=True, fates=()):
        self.now = 1000
        self.service_ns, self.depth = service_ns, depth
        self.free = [0] * workers
        self.replies = replies
        self.fates = deque(fates)
        """What becomes of the next messages: answered, lost, refused, failed, twice, late, too-big."""
        self.coming = []
        """(moment, reply)."""
        self.leaving = []
        """When places in the transport come free."""
        self.sent, self.rows = [], []
        self.most_in_flight = 0

    # As `time` ------------------------------------------------------------------------------------------

    def monotonic_ns(self):
        self.now += 100
        return self.now

    thread_time_ns = monotonic_ns

    def sleep(self, seconds):
        self.now += max(1, round(seconds * 1e9))

    # As a transport's sender ----------------------------------------------------------------------------

    def send(self, parts, timeout):
        until = self.now + timeout * 1e9
        self.leaving = [moment for moment in self.leaving if moment > self.now]
        if len(self.leaving) >= self.depth:
            first = min(self.leaving)
            if first > until:
                self.now = max(self.now, math.ceil(until))
                return False
            self.now = first
            self.leaving = [moment for moment in self.leaving if moment > first]
        fate = self.fates.popleft() if self.fates else "answered"
        envelope = unpack_envelope(parts[0])
        if fate == "too-big":
            raise Rejected("too big")
        self.sent.append((self.now, envelope, due_of(parts[0])))
        self._arrive(fate, envelope, bytes(parts[0]))
        return True

    def _arrive(self, fate, envelope, head):
        if fate == "refused":
            self.leaving.append(self.now + MS // 10)
            self.coming.append((self.now + MS // 10, Reply(memoryview(head), rejected=True)))
            return
        worker = min(range(len(self.free)), key=lambda each: self.free[each])
        started = max(self.now, self.free[worker])
        done = self.free[worker] = started + self.service_ns
        self.leaving.append(started if self.replies else done)
        if fate == "lost":
            return
        self.rows.append((worker, envelope.seq, started, done, fate != "failed"))
        if self.replies:
            flags = REPLY | (FAILED if fate == "failed" else 0)
            reply = Reply(memoryview(pack(Envelope(envelope.seq, 0, flags))))
            self.coming += [(done + (50 * MS if fate == "late" else 0), reply)] * (
                2 if fate == "twice" else 1
            )

    def reply(self, timeout):
        self.coming.sort(key=lambda each: each[0])
        until = self.now + timeout * 1e9
        if self.coming and self.coming[0][0] <= until:
            moment, reply = self.coming.pop(0)
            self.now = max(self.now, moment)
            return reply
        self.now = max(self.now, math.ceil(until))
        return None

    def dropped(self):
        return {}

    def spun_s(self):
        return 0.0

    def columns(self):
        """Of each worker, as `join` takes them."""
        found = []
        for number in range(len(self.free)):
            rows = [row for row in self.rows if row[0] == number]
            table = {name: np.zeros(len(rows), np.int64) for name in COLUMNS}
            for at, (_, seq, started, done, ok) in enumerate(rows):
                table["seq"][at], table["ok"][at] = seq, ok
                for name in ("asked", "received", "decoded", "started"):
                    table[name][at] = started
                table["finished"][at] = table["replied"][at] = done
            found.append(table)
        return found


def task(flow, **changes):
    options = {
        "cell": "c", "source": {}, "codec": {}, "transport": {}, "stage": {}, "load": {}, "where": {},
        "first_seq": 0, "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "duration_s": 0.08,
        "warmup_s": 0.02, "drain_s": 0.2, "payload_seed": 0, "schedule_seed": 0, "stage_seed": 0,
        "checksum_every": 0, "stop_on_error": False, "one_process": False, "flow": flow,
    }  # fmt: skip
    return Task(**{**options, **changes})


class Block:
    """A block in a world: what its producers report, and what is made of it."""

    def __init__(self, monkeypatch, world, load, flow, *, feed=None, **changes):
        for module in (flow_loop, producer):
            monkeypatch.setattr(module, "time", world)
        self.world = world
        self.task = task(flow, replies=world.replies, **changes)
        made = FlowingProducer(self.task, feed or Pool([MESSAGE]), Raw(), world, {}, lambda: False)
        made._clock = world.monotonic_ns
        made._stamp = world.monotonic_ns if self.task.stamps else made._stamp
        made.run(drawn(load, self.task))
        self.made, self.result = made, made.result()
        produced = together([self.result], self.task)
        self.joined = join(
            produced.columns, world.columns(), block=0, first_seq=0,
            warmup_messages=self.result["warmup_messages"], replies=world.replies, payload_bytes=1,
            gave_up=bool(self.result["outstanding"]),
        )  # fmt: skip
        self.samples = self.joined.samples
        self.traffic = traffic_of(produced, self.samples, {})

    def count(self, status):
        return int(np.count_nonzero(self.samples["status"] == status))

    def of(self, status):
        return self.samples[self.samples["status"] == status]


@pytest.fixture
def block(monkeypatch):
    return lambda *given, **options: Block(monkeypatch, *given, **options)


RATE = Constant(rate=1000)
OVERLOADED = 2 * MS


def test_what_is_not_overloaded_is_sent_when_it_is_due_and_all_of_it_is_delivered(block):
    found = block(World(service_ns=MS // 10), RATE, {"policy": "drop-oldest"})
    assert found.count(Status.DELIVERED) == len(found.samples) == 100
    assert found.traffic.drops == {}
    assert (found.samples["taken"] - found.samples["due"]).max() < MS // 10
    flagged = sum(bool(envelope.flags & WARMUP) for _, envelope, _ in found.world.sent)
    assert flagged == found.result["warmup_messages"] == 20


def test_block_keeps_every_message_and_shows_the_backlog(block):
    found = block(World(service_ns=OVERLOADED), RATE, {"policy": "block", "queue": 5})
    assert found.count(Status.DELIVERED) == 100
    lateness = found.samples["taken"] - found.samples["due"]
    assert lateness[-1] > 80 * MS
    assert (found.traffic.waited_most, found.traffic.drops) == (5, {})


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest"])
def test_a_full_queue_drops_by_its_policy_and_never_holds_more(block, policy):
    found = block(World(service_ns=OVERLOADED), RATE, {"policy": policy, "queue": 5})
    assert found.count(Status.DELIVERED) + found.count(Status.DROPPED) == 100
    assert found.traffic.drops == {policy: found.count(Status.DROPPED)}
    assert 35 <= found.count(Status.DROPPED) <= 50
    assert found.traffic.waited_most == 5
    assert np.all(np.diff(found.of(Status.DELIVERED)["received"]) > 0)


def test_latest_only_starts_what_is_at_most_one_interval_old_on_one_worker(block):
    flow = {"policy": "latest-only", "credits": 1}
    found = block(World(service_ns=7 * MS // 2), RATE, flow)
    age = found.of(Status.DELIVERED)["started"] - found.of(Status.DELIVERED)["due"]
    # One that had waited for longer would have been replaced; the last one has nobody to replace it.
    assert age[:-1].max() <= MS + MS // 10
    assert age[-1] <= 7 * MS // 2
    assert found.traffic.drops == {"latest-only": found.count(Status.DROPPED)}
    assert found.traffic.waited_most == 1
    assert 26 <= found.count(Status.DELIVERED) <= 32


def test_a_deadline_drops_what_is_too_old_before_it_is_sent_and_tells_the_worker_when_it_was_due(block):
    found = block(World(service_ns=OVERLOADED), RATE, {"policy": "block", "queue": 50, "deadline": 0.010})
    assert found.traffic.drops == {"deadline": found.count(Status.DROPPED)}
    assert found.count(Status.DROPPED) > 20
    for sent_ns, envelope, due_ns in found.world.sent:
        assert due_ns == found.samples["due"][envelope.seq]
        assert sent_ns - due_ns <= 10 * MS + OVERLOADED


def test_a_worker_that_dropped_a_message_says_so_without_a_body(block):
    class Drops(World):
        def reply(self, timeout):
            seen = super().reply(timeout)
            envelope = unpack_envelope(seen.view) if seen else None
            if envelope and envelope.seq % 2:
                return Reply(memoryview(pack(Envelope(envelope.seq, 0, REPLY | DROPPED))))
            return seen

    found = block(Drops(service_ns=MS // 10), RATE, {"deadline": 1.0})
    assert found.traffic.drops == {"deadline": 50}
    assert found.count(Status.DROPPED) == found.count(Status.DELIVERED) == 50
    assert (found.of(Status.DROPPED)["returned"] > 0).all()


def test_a_rate_holds_back_and_its_excess_may_be_dropped(block):
    held = block(World(), RATE, {"rate": 500.0, "burst": 3})
    moments = np.array([moment for moment, _, _ in held.world.sent])
    assert held.count(Status.DELIVERED) == 100
    # Three tokens are there, and two more come while those are used up at twice the rate.
    assert (np.diff(moments)[5:] >= 2 * MS - 1000).all()
    policed = block(World(), RATE, {"rate": 500.0, "excess": "drop"})
    assert policed.traffic.drops == {"rate": policed.count(Status.DROPPED)}
    assert 48 <= policed.count(Status.DROPPED) <= 50


@pytest.mark.parametrize("credits_", [1, 3])
def test_no_more_are_in_flight_than_there_are_credits(block, credits_):
    found = block(World(service_ns=OVERLOADED, depth=50), RATE, {"credits": credits_})
    sent, returned = found.samples["sent"], found.samples["returned"]
    under_way = [np.count_nonzero((sent < moment) & (returned > moment)) for moment in sent]
    assert max(under_way) == credits_ - 1
    assert found.count(Status.DELIVERED) == 100


def test_what_is_not_answered_in_time_is_given_up_and_its_late_reply_changes_nothing(block):
    fates = ["answered", "late", "lost", "answered"]
    found = block(World(fates=fates), RATE, {"timeout": 0.005})
    assert found.samples["status"][:4].tolist() == [1, 2, 2, 1]
    assert found.traffic.drops == {"timeout": 2}
    assert (found.traffic.timed_out, found.traffic.late, found.result["outstanding"]) == (2, 1, 0)
    assert (found.result["duplicated"], found.result["unexpected"], found.joined.duplicated) == (0, 0, 0)


def test_what_is_not_answered_in_time_is_sent_again_under_its_number(block):
    fates = ["answered", "lost", "late"]
    flow = {"timeout": 0.005, "retry": {"attempts": 3, "backoff": 0.002}}
    found = block(World(fates=fates), RATE, flow)
    assert found.count(Status.DELIVERED) == 100
    assert (found.traffic.retries, found.traffic.timed_out, found.traffic.late) == (2, 2, 1)
    assert Counter(envelope.seq for _, envelope, _ in found.world.sent)[1] == 2
    # The late one was worked on twice, as was to be expected, and after later ones.
    assert (found.joined.duplicated, found.joined.reordered, found.result["duplicated"]) == (0, 0, 0)
    # What goes on beyond the first attempt is `send`: the message was taken and encoded once.
    assert found.samples["sent"][1] - found.samples["encoded"][1] > 5 * MS
    assert found.samples["sent"][1] <= found.samples["returned"][1]


def test_a_slow_reply_settles_a_message_that_waits_to_be_sent_again(block):
    flow = {"timeout": 0.005, "retry": {"attempts": 3, "backoff": 0.1, "jitter": "none"}}
    found = block(World(fates=["late"]), RATE, flow)
    assert found.count(Status.DELIVERED) == 100
    assert (found.traffic.retries, found.traffic.timed_out, found.traffic.late) == (0, 1, 0)
    assert 0 < found.samples["sent"][0] < found.samples["returned"][0]


def test_a_client_that_hung_up_hears_nothing_of_that_attempt_any_more(block):
    flow = {"timeout": 0.005, "hangs_up": True, "retry": {"attempts": 3, "backoff": 0.1, "jitter": "none"}}
    found = block(World(fates=["late"]), RATE, flow)
    assert found.count(Status.DELIVERED) == 100
    # Its reply came, to nobody; the stage worked twice, and the second attempt's reply counts.
    assert (found.traffic.retries, found.traffic.timed_out, found.traffic.late) == (1, 1, 1)
    assert found.samples["returned"][0] - found.samples["due"][0] > 100 * MS
    assert (found.result["duplicated"], found.joined.duplicated) == (0, 0)


def test_what_is_refused_is_rejected_or_sent_again(block):
    refused = ["refused"] * 3
    without = block(World(fates=refused), RATE, {"queue": 5})
    assert (without.count(Status.REJECTED), without.traffic.refused) == (3, 3)
    again = block(World(fates=refused), RATE, {"retry": {"attempts": 4, "backoff": 0.002}})
    assert (again.count(Status.DELIVERED), again.traffic.refused, again.traffic.retries) == (100, 3, 3)
    never = block(World(fates=["refused"] * 500), RATE, {"retry": {"attempts": 2, "backoff": 0.001}})
    assert never.traffic.drops == {"retries": 100}
    # Twenty of a hundred first attempts may be tried again, and ten beside them.
    assert never.traffic.retries <= 0.2 * 100 + RESERVE


def test_a_message_that_can_never_be_taken_is_rejected_and_not_tried_again(block):
    found = block(
        World(fates=["too-big"]), RATE, {"retry": {"attempts": 3, "backoff": 0.002}, "timeout": 0.1}
    )
    assert (found.count(Status.REJECTED), found.count(Status.DELIVERED), found.traffic.retries) == (1, 99, 0)


def test_a_reply_that_comes_twice_without_a_second_attempt_is_a_duplicate(block):
    found = block(World(fates=["twice"]), RATE, {"timeout": 0.05})
    assert (found.result["duplicated"], found.traffic.late) == (1, 0)


def test_a_limit_that_adapts_is_told(block):
    flow = {"policy": "drop-oldest", "adapt": "aimd", "credits": 8, "timeout": 0.004}
    found = block(World(service_ns=OVERLOADED, depth=50), RATE, flow)
    limit = found.traffic.limit
    assert 1 <= limit["least"] <= limit["mean"] <= 8
    assert limit["least"] < 8


def test_in_a_closed_loop_the_places_are_the_credits_and_nothing_is_dropped_for_want_of_room(block):
    flow = {"policy": "latest-only", "rate": 500.0, "timeout": 0.02}
    found = block(World(service_ns=MS), Closed(in_flight=4), flow)
    assert found.count(Status.DELIVERED) == len(found.samples)
    assert 45 <= len(found.samples) <= 56
    assert found.result["warmup_messages"] == sum(bool(e.flags & WARMUP) for _, e, _ in found.world.sent)


def test_a_place_whose_message_was_given_up_is_free_again(block):
    found = block(World(service_ns=MS, fates=["lost"] * 3), Closed(in_flight=2), {"timeout": 0.01})
    assert found.traffic.drops == {"timeout": 3}
    assert found.count(Status.DELIVERED) > 50


def test_what_was_due_and_never_sent_is_pending(block):
    found = block(World(service_ns=50 * MS), RATE, {"queue": 3, "credits": 1}, drain_s=0.05)
    assert len(found.samples) == 100
    assert found.count(Status.PENDING) > 90
    assert found.count(Status.PENDING) + found.count(Status.DELIVERED) == 100


def test_a_source_that_ends_leaves_the_rest_pending(block):
    class Ends(Pool):
        def take(self):
            self.left -= 1
            return super().take() if self.left >= 0 else None

    feed = Ends([MESSAGE])
    feed.left = 30
    found = block(World(), RATE, {"queue": 3}, feed=feed)
    assert found.result["source_ended"]
    assert (found.count(Status.DELIVERED), found.count(Status.PENDING)) == (30, 70)


def test_without_stamps_the_same_messages_are_dropped(block):
    flow = {"policy": "latest-only", "credits": 1, "timeout": 0.1}
    found = block(World(service_ns=7 * MS // 2), RATE, flow, stamps=False)
    assert 26 <= found.count(Status.DELIVERED) <= 32
    assert found.count(Status.DELIVERED) + found.count(Status.DROPPED) == 100


FATES = st.lists(
    st.sampled_from(["answered", "answered", "lost", "refused", "failed", "late", "too-big"]), max_size=60
)


@st.composite
def flows(draw, replies):
    """Options as a scenario could have them."""
    policy = draw(st.sampled_from(["block", "drop-oldest", "drop-newest", "latest-only"]))
    flow = {"policy": policy}
    if policy != "latest-only":
        flow["queue"] = draw(st.integers(1, 20) | st.none())
    flow["deadline"] = draw(st.floats(0.001, 0.1) | st.none())
    if draw(st.booleans()):
        flow["rate"] = draw(st.floats(50, 3000))
        flow["burst"] = draw(st.integers(1, 5) | st.none())
        flow["excess"] = draw(st.sampled_from(["wait", "drop"]))
    if replies:
        flow["credits"] = draw(st.integers(1, 10) | st.none())
        flow["adapt"] = draw(st.sampled_from(["aimd", "gradient"]) | st.none())
        flow["timeout"] = draw(st.floats(0.001, 0.05) | st.none())
        if not (flow["timeout"] and flow["deadline"] and flow["deadline"] <= flow["timeout"]):
            retry = {"attempts": 3, "backoff": 0.002, "budget": draw(st.sampled_from([None, 0.0, 0.2]))}
            flow["retry"] = draw(st.just(retry) | st.none())
    return FlowOptions(**{name: value for name, value in flow.items() if value is not None})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_asked_for_the_account_closes(block, data):
    replies = data.draw(st.booleans(), label="replies")
    flow = data.draw(flows(replies), label="flow")
    closed = replies and data.draw(st.booleans(), label="closed") and flow.excess == "wait"
    load = Closed(in_flight=3) if closed else Poisson(rate=1000)
    fates = data.draw(FATES, label="fates") if replies else []
    service_ns = data.draw(st.integers(0, 3 * MS), label="service")
    world = World(service_ns, data.draw(st.integers(1, 8), label="depth"), 2, replies, fates)
    at = {"duration_s": 0.03, "warmup_s": 0.01, "drain_s": 0.1}
    found = block(world, load, flow.given(), schedule_seed=data.draw(st.integers(0, 9), label="seed"), **at)
    status = Counter(found.samples["status"].tolist())
    assert sum(status.values()) == len(found.samples) == len(found.made.due)
    assert status[Status.DROPPED] == sum(found.traffic.drops.values())
    lost = sum(fate == "lost" for fate in fates)
    if not (lost or status[Status.PENDING]):
        assert found.result["outstanding"] == 0
    assert status[Status.LOST] <= lost
    # Nothing that was dropped or refused counts as delivered, and what was delivered has a reply.
    delivered = found.of(Status.DELIVERED)
    assert (delivered["returned"] > 0).all() if replies else (delivered["finished"] > 0).all()
    assert (found.joined.duplicated, found.joined.unexpected, found.result["unexpected"]) == (0, 0, 0)
    assert found.result["duplicated"] == 0
    bound = flow.places if not closed else 3 + flow.places
    assert found.traffic.waited_most <= bound + (
        found.traffic.retries + 10 if flow.policy == "block" or closed else 0
    )
    # The stamps of every message run forwards.
    stamped = np.stack([found.samples[name] for name in ("due", "taken", "encoded", "sent", "returned")])
    for row in stamped.T:
        reached = row[row != 0]
        assert (np.diff(reached) >= 0).all(), row
    columns = producer_columns(found.result["columns"])
    assert {len(column) for column in columns.values()} == {len(found.samples)}
