"""Ledgers of typical and slow messages add up, whatever the phases, and name what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import block_samples, stamped

from benchkit.analysis import strips
from benchkit.analysis.ledger import latency_ns
from benchkit.analysis.slow import as_document, difference, slow
from benchkit.records.samples import PHASES, SAMPLE, Samples

TABLE = st.lists(
    st.lists(st.integers(0, 10**9), min_size=len(PHASES), max_size=len(PHASES)), min_size=1, max_size=250
)


def of(table: list[list[int]]) -> Samples:
    return stamped(np.array(table, np.int64), 1 + np.arange(len(table)) * 1000)


@settings(deadline=None, max_examples=60)
@given(TABLE)
def test_phases_add_up_to_the_latency_to_the_nanosecond(table: list[list[int]]) -> None:
    samples = of(table)
    found = slow(samples)
    assert found is not None
    for ledger in (found.typical, found.slow):
        assert sum(ledger.sums_ns) == ledger.latency_ns
    latencies = np.sort(latency_ns(samples))
    assert found.slow.count == np.count_nonzero(latencies >= found.slow_from_ns) >= max(1, len(table) // 100)
    assert found.slow.latency_ns == latencies[-found.slow.count :].sum()
    low, high = found.band_ns
    assert found.typical.count == np.count_nonzero((latencies >= low) & (latencies <= high))
    assert low <= np.median(latencies) <= high or len(table) < 20


@settings(deadline=None, max_examples=60)
@given(TABLE)
def test_the_document_adds_up_and_its_shares_are_whole(table: list[list[int]]) -> None:
    found = slow(of(table))
    assert found is not None
    for kind in ("typical", "slow"):
        each = as_document(found)[kind]
        assert sum(each[name] for name in PHASES) == pytest.approx(each["latency"])
        assert sum(each["shares"].values()) == pytest.approx(1 if each["latency"] else 0)
    added = difference(found)
    if added and added[0]["share"] is not None:
        assert sum(each["share"] for each in added) == pytest.approx(1)
        assert [each["added_us"] for each in added] == sorted((e["added_us"] for e in added), reverse=True)


def planted(count: int = 1000) -> Samples:
    """Calm messages; every fiftieth waits 20 ms in the queue."""
    samples = block_samples(np.random.default_rng(3), 0, count=count, warmup=0, noise=0.02)
    for name in ("asked", "received", "decoded", "started", "finished", "replied", "returned"):
        samples[name][::50] += 20_000_000
    return samples


def test_what_is_different_about_the_slow_ones_is_what_was_planted() -> None:
    found = slow(planted())
    assert found is not None
    first, *_ = difference(found)
    assert first["phase"] == "queue"
    assert first["share"] > 0.95
    assert first["added_us"] == pytest.approx(20_000, rel=0.01)
    assert "slowest 10 messages" in as_document(found)["words"]
    assert "queue 20.0 ms" in as_document(found)["words"]


def test_the_exemplars_are_of_their_kind() -> None:
    samples = planted()
    found = slow(samples)
    assert found is not None
    latencies = latency_ns(samples)
    assert latencies[list(found.slowest_rows)].tolist() == np.sort(latencies)[:-6:-1].tolist()
    assert found.band_ns[0] <= latencies[found.typical_row] <= found.band_ns[1]


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = planted()
    whole = slow(samples)
    monkeypatch.setattr(strips, "STRIP", 37)
    assert slow(samples) == whole


def test_warm_up_and_what_was_not_delivered_are_in_no_ledger() -> None:
    samples = planted(200)
    samples["warmup"][:50], samples["status"][51:100] = True, 5
    found = slow(samples)
    assert found is not None
    assert found.typical_row >= 100 or found.typical_row == 50
    assert {row for row in found.slowest_rows if row < 50} == set()


def test_of_few_messages_it_says_how_many() -> None:
    assert slow(np.zeros(0, SAMPLE)) is None
    one = slow(planted(1))
    assert one is not None
    assert (one.typical.count, one.slow.count) == (1, 1)
    assert as_document(one)["words"] == ""
    few = slow(planted(15))
    assert few is not None
    assert few.slow.count == 1
    assert "the slowest message took" in as_document(few)["words"]
