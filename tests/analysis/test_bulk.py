"""Backlog, drain and recovery: as somebody who counts at every nanosecond sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_runs import overloaded_bulk, queue
from synthetic import MS

from benchkit.analysis.bulk import Bulk
from benchkit.analysis.document import document
from benchkit.analysis.live import live
from benchkit.records.samples import Samples, Status


def bulk(samples: Samples) -> Bulk:
    found = live(samples)[1]
    assert found is not None
    return found


@st.composite
def queues(draw: Any) -> Samples:
    due = np.cumsum(draw(st.lists(st.integers(0, 30), min_size=1, max_size=15))) + 1000
    service = draw(st.lists(st.integers(1, 60), min_size=len(due), max_size=len(due)))
    policy = draw(st.sampled_from(["block", "drop-oldest", "latest-only"]))
    return queue(
        due.astype(np.int64), np.array(service), policy=policy, places=2, workers=draw(st.integers(1, 3))
    )


@given(queues())
def test_backlog_is_what_a_counter_sees(samples: Samples) -> None:
    gone = np.where(samples["status"] == Status.DELIVERED, samples["returned"], samples["taken"])
    due = samples["due"]
    counted = {
        tick: int(np.sum(due <= tick) - np.sum((due <= tick) & (gone <= tick)))
        for tick in range(1000, int(gone.max()) + 1)
    }
    found = bulk(samples)
    last = int(due.max())
    assert found.last == counted[last]
    assert found.most == max(counted[int(moment)] for moment in due)
    peak = next(int(moment) for moment in due if counted[int(moment)] == found.most)
    assert (
        found.recovery_ns
        == next(tick for tick in sorted(counted) if tick >= peak and not counted[tick]) - peak
    )
    assert found.drain_ns == max(0, int(gone.max()) - last)


def test_what_was_still_under_way_has_no_drain() -> None:
    samples = queue(1000 + np.arange(5) * 10, np.full(5, 30))
    samples["status"][-1] = Status.PENDING
    samples["returned"][-1] = 0
    found = bulk(samples)
    assert (found.drain_ns, found.recovery_ns) == (None, None)
    assert found.last >= 1


def test_warm_up_fills_the_queue_and_is_not_its_peak() -> None:
    due = np.concatenate([np.full(20, 1000), 1000 + np.arange(1, 30) * 100]).astype(np.int64)
    samples = queue(due, np.full(49, 20))
    samples["warmup"][:20] = True
    assert bulk(samples).most == 16  # five of twenty were done by then, and it came itself
    assert bulk(samples[20:]).most == 4  # until the warm-up's were done at 1400
    samples["warmup"] = True
    assert live(samples)[1] is None


def test_a_burst_is_worked_off_faster_by_four_workers() -> None:
    http, redis = document(overloaded_bulk())["cells"]
    assert http["bulk"]["backlog"]["most"] > 30 > 10 > redis["bulk"]["backlog"]["most"]
    assert http["bulk"]["drain_s"] > 1 > 0.2 > redis["bulk"]["drain_s"]
    assert http["bulk"]["lead_time_us"]["p50"] == http["latency_us"]["p50"]


def test_drain_is_that_of_the_slowest_block() -> None:
    quick = queue(1000 + np.arange(10) * MS, np.full(10, MS // 2))
    slow = queue(1000 + np.arange(10) * MS, np.full(10, 3 * MS))
    slow["block"] = 1
    together = bulk(np.concatenate([quick, slow]))
    assert together.drain_ns == bulk(slow).drain_ns == pytest.approx(21 * MS)
    assert together.most == bulk(slow).most
