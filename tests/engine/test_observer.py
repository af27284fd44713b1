"""What observing costs is found when it is large, and a block's time is what its messages took."""

from __future__ import annotations

import threading
from itertools import count

import numpy as np
import pytest

from benchkit.engine import observer
from benchkit.engine.feed import Pool, first_items, prepare
from benchkit.engine.observer import Times, observe, times
from benchkit.engine.producer import Producer
from benchkit.engine.task import Task
from benchkit.engine.worker import COLUMNS, Worker
from benchkit.errors import BenchkitError
from benchkit.load.closed import Closed
from benchkit.records.samples import SAMPLE, Status
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors import integrity
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Setup
from benchkit.transports.inproc import Inproc

pytestmark = pytest.mark.quiet

ITEMS = first_items(Sensors(samples=4, channels=4, distinct=4), 1, 4)
MESSAGES = [prepare(item, Raw(), index) for index, item in enumerate(ITEMS)]


def block(folder, **switches):
    """One in-process block, one message in flight: what both sides report."""
    task = Task(**{
        "cell": "c", "source": {}, "codec": {}, "transport": {}, "stage": {}, "load": {}, "where": {},
        "first_seq": 0, "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "duration_s": 0.05,
        "warmup_s": 0.01, "drain_s": 1.0, "payload_seed": 0, "schedule_seed": 0, "stage_seed": 0,
        "checksum_every": 1, "stop_on_error": True, "one_process": True, **switches,
    })  # fmt: skip
    setup = Setup("benchkit-observer", folder, 4096, 4096, 1, lambda _, make: make().__enter__())
    transport, stopping = Inproc(depth=1), []
    with transport.prepare(setup) as address:
        worker = Worker(
            task, Raw(), transport.receiver(address, 0), Null().open(0), lambda: "".join(stopping)
        )
        thread = threading.Thread(target=worker.run)
        thread.start()
        producer = Producer(task, Pool(MESSAGES), Raw(), transport.sender(address), {}, lambda: False)
        producer.run(Closed(in_flight=1))
        stopping.append("drain")
        thread.join()
    return producer.result(), worker.result()


def column(result, name):
    return np.frombuffer(result["columns"][name], np.int64)


def per_message(result):
    returned = column(result, "returned")
    return float(np.median(np.diff(returned)))


def test_without_stamps_nine_are_no_moments_and_the_loop_goes_on_all_the_same(tmp_path):
    produced, served = block(tmp_path, stamps=False)
    assert len(column(produced, "due")) > 10
    assert (np.diff(column(produced, "returned")) > 0).all()
    # In a closed loop a place is free when the last reply is seen.
    assert (column(produced, "due")[1:] == column(produced, "returned")[:-1]).all()
    for name in ("taken", "encoded", "sent"):
        assert set(column(produced, name)) == {1}
    for name in set(COLUMNS) - {"seq", "ok"}:
        assert set(column(served, name)) == {1}


def test_with_them_all_ten_are(tmp_path):
    produced, served = block(tmp_path)
    moments = [column(produced, name) for name in ("due", "taken", "encoded", "sent", "returned")]
    assert all((values > 1).all() for values in moments)
    assert all((column(served, name) > 1).all() for name in set(COLUMNS) - {"seq", "ok"})


def test_a_checksum_made_slow_is_found_and_switching_it_off_gives_the_time_back(tmp_path, monkeypatch):
    checksum, called = integrity.checksum, count()

    def slow(body):
        next(called)
        for _ in range(1000):
            checksum(bytes(body) * 100)
        return checksum(body)

    off = [per_message(block(tmp_path, checksums=False)[0]) for _ in range(3)]
    monkeypatch.setattr(integrity, "checksum", slow)
    before = next(called)
    still_off = per_message(block(tmp_path, checksums=False)[0])
    assert next(called) == before + 1
    on = per_message(block(tmp_path)[0])
    assert on > 2 * min(*off, still_off)


def test_what_is_not_checked_is_still_released_and_counted(tmp_path):
    produced, served = block(tmp_path, checksums=False)
    assert len(column(served, "seq")) == len(column(produced, "due"))
    assert served["corrupted"] == 0


def samples(returned):
    made = np.zeros(len(returned), SAMPLE)
    made["returned"] = returned
    made["status"] = Status.DELIVERED
    return made


def test_one_interruption_moves_the_whole_and_not_the_window():
    returned = np.arange(1, 642) * 1000
    assert times(samples(returned)) == Times(1.0, 1.0)
    returned[300:] += 6_400_000
    found = times(samples(returned))
    assert found.window_us == 1.0
    assert found.whole_us == pytest.approx(11.0)


def test_a_block_shorter_than_a_window_is_taken_whole_and_one_without_messages_not_at_all():
    assert times(samples(np.array([1000, 3000, 5000]))) == Times(2.0, 2.0)
    assert times(samples(np.array([1000]))) is None
    late = samples(np.array([1000, 2000]))
    late["warmup"] = True
    assert times(late) is None


def taken(us):
    return {at: Times(value, value) for at, value in enumerate(us)}


def test_a_planted_cost_is_its_share_and_one_upset_round_changes_nothing():
    rng = np.random.default_rng(0)
    off = 100 * np.exp(0.01 * rng.standard_normal(9))
    on = off / 0.9
    off[4] *= 30
    cost = observer._cost("c", 64, "stamps", taken(on), taken(off), whole=False)
    assert cost.share == pytest.approx(0.1, abs=0.001)
    low, high = cost.share_ci95
    assert low == pytest.approx(0.1, abs=0.001) == pytest.approx(high, abs=0.001)


def test_few_rounds_have_no_interval_and_no_verdict():
    cost = observer._cost("c", 64, observer.TIMED, taken([1.0] * 5), taken([1.0] * 5), whole=False)
    assert cost.share_ci95 is None
    found = observer.Observer((cost,), 60.0, 1.0)
    assert (found.frame_verdict, found.stamp_verdict) == ("undecided", "kept")


@pytest.mark.parametrize(("share", "verdict"), [(0.01, "kept"), (0.2, "broken")])
def test_the_bar_is_judged_by_the_whole_interval(share, verdict):
    on = taken([100.0] * 9)
    cost = observer._cost("c", 64, observer.TIMED, on, taken([100 * (1 - share)] * 9), whole=False)
    assert observer.Observer((cost,), 2000.0, 1.0).frame_verdict == verdict
    assert observer.Observer((cost,), 2000.0, 1.0).stamp_verdict == "broken"


def test_rounds_that_one_variant_lacks_are_left_out_and_too_few_are_an_error():
    on, off = taken([2.0, 2.0, 2.0]), taken([1.0, 1.0, 1.0])
    del on[0]
    assert observer._cost("c", 64, "stamps", on, off, whole=True).rounds == 2
    del on[1]
    with pytest.raises(BenchkitError, match="too busy"):
        observer._cost("c", 64, "stamps", on, off, whole=True)


def test_each_variant_comes_once_a_round_in_an_order_that_the_seed_gives():
    order = list(observer._order(3, ["a", "b"], 4, seed=1))
    assert len(set(order)) == len(order) == 24
    assert order == list(observer._order(3, ["a", "b"], 4, seed=1))
    assert order != list(observer._order(3, ["a", "b"], 4, seed=2))


def test_without_a_display_its_cost_is_left_out_and_with_processes_the_rest_is_there():
    chosen = [cell for cell in observer.cells() if cell.id == "shm 64 B"]
    found = observe(chosen=chosen, rounds=2, block_s=0.05)
    assert {cost.part for cost in found.costs} == {
        "stamps",
        "checksums",
        "stamps and checksums",
        observer.TIMED,
    }
    timed = next(cost for cost in found.costs if cost.part == observer.TIMED)
    # Ten stamps, and the checks, which are more than nothing.
    assert (timed.on_us - timed.off_us) > 10 * found.stamp_ns / 1e3
    assert {cost.payload_bytes for cost in found.costs} == {64}
    assert all(cost.on_us > 0 and cost.off_us > 0 for cost in found.costs)
    assert found.stamp_ns > 0
