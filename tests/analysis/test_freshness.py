"""Freshness: the closed forms equal a clock that ticks through every nanosecond, and losing results never helps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_runs import policies, queue
from synthetic import MS, a_cell, a_run

from benchkit.analysis import freshness as freshness_module
from benchkit.analysis.document import document
from benchkit.analysis.freshness import Deadline, Freshness, deadline_of
from benchkit.analysis.live import live
from benchkit.records.samples import SAMPLE, Samples, Status


def made(due: list[int], latency: list[int | None], warmup: int = 0) -> Samples:
    """One block of messages; a latency of None was dropped. Compute begins halfway."""
    samples = np.zeros(len(due), SAMPLE)
    samples["seq"] = np.arange(len(due))
    samples["due"] = samples["taken"] = np.array(due) + 1000
    for at, took in enumerate(latency):
        samples["status"][at] = Status.DROPPED if took is None else Status.DELIVERED
        if took is not None:
            samples["started"][at] = samples["due"][at] + took // 2
            samples["finished"][at] = samples["replied"][at] = samples["returned"][at] = (
                samples["due"][at] + took
            )
    samples["warmup"][:warmup] = True
    return samples


def fresh(samples: Samples, **options: Any) -> Freshness:
    return live(samples, **options)[0]


@st.composite
def blocks(draw: Any) -> Samples:
    gaps = draw(st.lists(st.integers(1, 40), min_size=2, max_size=12))
    due = np.cumsum(gaps).tolist()
    latency = draw(st.lists(st.none() | st.integers(1, 120), min_size=len(due), max_size=len(due)))
    return made(due, latency, draw(st.integers(0, len(due) - 2)))


def ticks(samples: Samples) -> np.ndarray:
    """Staleness in the middle of each nanosecond of the measured part, by looking at everything each time."""
    due = samples["due"][~samples["warmup"]]
    first, last = int(due.min()), int(due.max())
    done = samples[samples["status"] == Status.DELIVERED]
    found = []
    for tick in range(first, last + (last - first) // (len(due) - 1)):
        there = done["due"][done["returned"] <= tick]
        found.append(tick + 0.5 - max([int(samples["due"].min()), *there.tolist()]))
    return np.array(found)


@given(blocks())
def test_staleness_is_what_a_clock_sees(samples: Samples) -> None:
    found, seen = fresh(samples), ticks(samples)
    assert found.staleness_mean_ns == pytest.approx(seen.mean())
    assert found.staleness_p99_ns is not None
    # In continuous time at most 1% lies above; a tick is as wide as the measure is fine.
    assert np.mean(seen - 0.5 > found.staleness_p99_ns) <= 0.01 + 1e-9
    assert np.mean(seen + 0.5 < found.staleness_p99_ns) <= 0.99 + 1e-9


@given(blocks(), st.data())
def test_losing_a_result_never_makes_anything_fresher(samples: Samples, data: Any) -> None:
    there = np.flatnonzero(samples["status"] == Status.DELIVERED)
    if not len(there):
        return
    fewer = samples.copy()
    fewer["status"][data.draw(st.sampled_from(there.tolist()))] = Status.LOST
    before, after = fresh(samples, freeze_ns=30), fresh(fewer, freeze_ns=30)
    assert (after.staleness_mean_ns or 0) >= (before.staleness_mean_ns or 0) - 1e-6
    assert (after.staleness_p99_ns or 0) >= (before.staleness_p99_ns or 0) - 1e-6
    assert after.freezes.longest_ns >= before.freezes.longest_ns
    assert after.freezes.total_ns >= before.freezes.total_ns
    assert (after.goodput_share or 0) <= (before.goodput_share or 0)


@given(blocks())
def test_nothing_known_is_younger_than_the_quickest_result(samples: Samples) -> None:
    done = samples[samples["status"] == Status.DELIVERED]
    quickest = min((done["returned"] - done["due"]).tolist(), default=0)
    earlier = int(samples["due"][~samples["warmup"]].min() - samples["due"].min())
    found = fresh(samples)
    # Until the first result the least possible is taken: that of the block's first due moment.
    least = min(quickest, earlier)
    assert (found.staleness_mean_ns or 0) >= least


@given(blocks())
def test_many_messages_are_rounded_and_a_percentile_stays_within_a_thousandth(samples: Samples) -> None:
    exact = fresh(samples).staleness_p99_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freshness_module, "_EXACT_ROWS", 1)
        rounded = fresh(samples)
    assert rounded.staleness_mean_ns == fresh(samples).staleness_mean_ns
    assert rounded.staleness_p99_ns == pytest.approx(exact, rel=0.0025, abs=1)


def test_a_steady_stream_has_the_staleness_of_the_textbook() -> None:
    """D/D/1, Kaul, Yates and Gruteser (2012): latency plus half an interval; at most latency plus an interval."""
    samples = made(list(range(0, 100 * 33, 33)), [20] * 100, warmup=10)
    found = fresh(samples)
    assert found.staleness_mean_ns == pytest.approx(20 + 33 / 2)
    assert found.staleness_p99_ns == pytest.approx(20 + 33 * 0.99, abs=0.5)
    assert found.jitter_ns == 0
    assert found.age.max_ns == 10


def test_every_other_frame_dropped_keeps_the_latency_and_half_an_interval_more_is_what_it_costs() -> None:
    all_there = made(list(range(0, 100 * 30, 30)), [20] * 100)
    half = made(list(range(0, 100 * 30, 30)), [20 if at % 2 == 0 else None for at in range(100)])
    one, other = fresh(all_there), fresh(half)
    assert (one.staleness_mean_ns, one.goodput_share) == (pytest.approx(35, abs=1), 1.0)
    assert (other.staleness_mean_ns, other.goodput_share) == (pytest.approx(50, abs=1), 0.5)


def test_jitter_is_between_results_as_they_came() -> None:
    # They come in the order 0, 2, 1, 3, with latencies 10, 12, 55, 40.
    found = fresh(made([0, 30, 60, 90], [10, 55, 12, 40]))
    assert found.jitter_ns == pytest.approx((2 + 43 + 15) / 3)


def test_freezes_are_counted_from_the_first_due_moment_to_the_last() -> None:
    due = [at * 30 * MS for at in range(100)]
    latency: list[int | None] = [10 * MS] * 100
    latency[20:32] = [None] * 12
    latency[90:] = [None] * 10
    found = fresh(made(due, latency)).freezes
    assert (found.count, found.longest_ns, found.over_ns) == (2, 390 * MS, 250 * MS)
    assert found.total_ns == 390 * MS + (30 * MS * 100 - (89 * 30 + 10) * MS)


def test_a_slow_schedule_is_no_freeze() -> None:
    found = fresh(made([at * 400 * MS for at in range(10)], [5 * MS] * 10)).freezes
    assert (found.count, found.over_ns) == (0, 1200 * MS)


def test_a_deadline_is_missed_by_what_is_late_and_by_what_never_came() -> None:
    samples = made([0, 10, 20, 30, 40], [5, 6, None, 90, 7], warmup=1)
    found = fresh(samples, deadline=Deadline(6, "flow"))
    assert (found.scheduled, found.delivered, found.good, found.misses) == (4, 3, 1, 3)
    assert fresh(samples).misses is None
    assert fresh(samples).goodput_share == 0.75


@pytest.mark.parametrize(
    ("flow", "slo", "expected"),
    [
        ({"deadline": 0.1}, {"max": 0.5}, Deadline(100_000_000, "flow")),
        (
            {"policy": "block", "deadline": None},
            {"p50": 0.01, "p99": 0.05, "loss": 0.0},
            Deadline(50_000_000, "p99"),
        ),
        (None, {"loss": 0.01}, None),
        (None, {}, None),
    ],
)
def test_the_deadline_is_the_cells_own_or_the_longest_promise(
    flow: Any, slo: dict[str, float], expected: Deadline | None
) -> None:
    assert deadline_of(a_cell(parameters={"flow": flow} if flow else {}), slo) == expected


def test_nothing_to_say_of_one_message_of_none_and_of_a_stage_of_somebody_elses() -> None:
    alone = fresh(made([0], [5]))
    assert (alone.staleness_mean_ns, alone.jitter_ns, alone.freezes.count) == (None, None, 0)
    empty = fresh(np.zeros(0, SAMPLE))
    assert (empty.scheduled, empty.goodput_share, empty.delivered_share) == (0, None, None)
    foreign = made([0, 10, 20], [5, 5, 5])
    foreign["started"] = 0
    assert fresh(foreign).age.count == 0
    assert fresh(foreign).staleness_mean_ns is not None


def test_rows_of_later_stages_are_no_messages_of_their_own() -> None:
    first = made([0, 30, 60, 90], [10, 10, 10, 10])
    second = first.copy()
    second["hop"] = 1
    found = fresh(np.concatenate([first, second]))
    assert (found.scheduled, found.staleness_mean_ns) == (4, fresh(first).staleness_mean_ns)


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_latest_only_keeps_what_is_processed_within_an_interval_and_a_service_time(
    service: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    due = 1000 * MS + np.arange(200) * 33 * MS
    took = (service * MS * rng.uniform(0.5, 1.0, 200)).astype(np.int64)
    found = fresh(queue(due, took, policy="latest-only"))
    assert found.age.max_ns <= service * MS + 33 * MS


def test_what_overload_does_to_each_policy_stands_in_the_record() -> None:
    cells = {cell["parameters"]["flow"]["policy"]: cell for cell in document(policies())["cells"]}
    ages = {name: cell["freshness"]["age_us"]["max"] for name, cell in cells.items()}
    goodput = {name: cell["freshness"]["goodput_share"] for name, cell in cells.items()}
    assert ages["latest-only"] <= 1e3 * (33.4 + 80)
    assert ages["latest-only"] < ages["drop-oldest"] < ages["block"]
    assert cells["block"]["freshness"]["delivered_share"] == 1.0
    assert goodput["block"] < 0.2 < 0.6 < goodput["latest-only"] < 0.75
    for cell in cells.values():
        found = cell["freshness"]
        assert found["deadline_misses"] == round(found["scheduled"] * (1 - found["goodput_share"]))
    # What was dropped on purpose is no fault; a load that `block` could not send in time was not offered.
    valid = {name: cell["validity"]["valid"] for name, cell in cells.items()}
    assert valid == {"block": False, "drop-oldest": True, "latest-only": True}
    assert cells["latest-only"]["freshness"]["goodput_per_s"] == pytest.approx(20, rel=0.1)


def test_figures_of_blocks_are_put_together_by_time() -> None:
    quick, slow = made(list(range(0, 3000, 30)), [10] * 100), made(list(range(0, 6000, 60)), [10] * 100)
    slow["block"] = 1
    found = fresh(np.concatenate([quick, slow]))
    parts = [(fresh(quick), 3000), (fresh(slow), 6000)]
    expected = sum((part.staleness_mean_ns or 0) * width for part, width in parts) / 9000
    assert found.staleness_mean_ns == pytest.approx(expected)
    assert math.isclose(found.goodput_share or 0, 1.0)


def test_a_run_without_drops_has_its_goodput_at_its_throughput() -> None:
    for cell in document(a_run())["cells"]:
        assert cell["freshness"]["goodput_per_s"] == pytest.approx(cell["throughput"]["messages_per_s"])
        assert cell["freshness"]["verdict_age_us"]["p50"] == cell["latency_us"]["p50"]
