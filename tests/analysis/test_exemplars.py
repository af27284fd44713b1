"""What is said of single messages is what stamps and events show."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import MS, a_block, a_cell, stamped

from benchkit.analysis.exemplars import Exemplar, as_document, exemplars
from benchkit.analysis.slow import slow
from benchkit.records.run import Block
from benchkit.records.samples import PHASES, Samples
from benchkit.records.seen import Event, Usage

COMPUTE = PHASES.index("compute")
QUEUE = PHASES.index("queue")


def calm(count: int = 100) -> Samples:
    """A message each 10 ms; each phase takes 100 us, and none waits in the queue."""
    phases = np.full((count, len(PHASES)), 100_000, np.int64)
    phases[:, QUEUE] = 0
    return stamped(phases, 1000 * MS + np.arange(count) * 10 * MS)


def after(samples: Samples, row: int, phase: str, extra_ns: int) -> None:
    """The phase takes longer by so much, and all that follows comes later."""
    names = (
        "taken",
        "encoded",
        "sent",
        "asked",
        "received",
        "decoded",
        "started",
        "finished",
        "replied",
        "returned",
    )
    for name in names[PHASES.index(phase) :]:
        samples[name][row] += extra_ns


def shown(samples: Samples, **changes: Any) -> list[Exemplar]:
    found = slow(samples)
    assert found is not None
    block: Block = a_block(a_cell(), 0, samples, **changes)
    return exemplars(found, [block], samples)


def said(samples: Samples, **changes: Any) -> str:
    """Of the slowest message."""
    return "; ".join(shown(samples, **changes)[1].meanwhile)


def test_a_collection_that_overlaps_a_slow_message_is_named_with_its_phase() -> None:
    samples = calm()
    after(samples, 40, "compute", 5 * MS)
    began = int(samples["started"][40]) + 50_000
    inside = Event(began, 4 * MS, "stage-0", "gc", "generation 2, 9 objects collected")
    before = Event(
        int(samples["due"][40]) - 3 * MS, MS, "producer-0", "gc", "generation 1, 2 objects collected"
    )
    words = said(samples, events=(before, inside))
    assert "garbage collection of 4.0 ms in stage-0 in its compute: generation 2" in words
    assert "producer-0" not in words


def test_of_a_brokers_counter_no_moment_is_claimed() -> None:
    samples = calm()
    after(samples, 40, "transit", 5 * MS)
    whole = Event(1000 * MS, 1000 * MS, "broker", "broker", "12 keys evicted for want of memory")
    assert "broker, at some moment of this block: 12 keys evicted" in said(samples, events=(whole,))


def test_the_message_before_it_in_the_stage_is_named() -> None:
    samples = calm(41)
    after(samples, 39, "compute", 25 * MS)
    # Its worker asks for the next message only then.
    waited = int(samples["replied"][39]) - int(samples["sent"][40])
    after(samples, 40, "queue", waited)
    rows = {each.sample["seq"]: "; ".join(each.meanwhile) for each in shown(samples)[1:]}
    assert "stage-0 had message 39 for 25" in rows[40]
    assert "while it waited 15" in rows[40]
    assert "1 other message under way" in rows[40]
    assert "stage-0 had" not in rows[39]


def test_messages_in_a_row_are_one_moments_trouble() -> None:
    samples = calm(200)
    for row in range(60, 67):
        after(samples, row, "transit", 8 * MS)
    after(samples, 150, "transit", 9 * MS)
    rows = {each.sample["seq"]: "; ".join(each.meanwhile) for each in shown(samples)[1:]}
    assert "in a row" not in rows.pop(150)
    assert rows
    assert all("one of 7 messages in a row" in words for words in rows.values())


def test_a_process_that_had_no_core_is_named_for_the_whole_block_only() -> None:
    samples = calm()
    after(samples, 40, "compute", 5 * MS)
    waiting = Usage(1, 0, thread_cpu_ns=60, thread_runnable_ns=40, over_ns=1000)
    calm_ = dataclasses.replace(waiting, thread_runnable_ns=1)
    words = said(samples, parties={"stage-0": waiting, "producer-0": calm_, "stage-1": waiting})
    assert "stage-0 had no core for 40% of the time in which it wanted one, over the whole block" in words
    assert "producer-0" not in words
    assert "stage-1" not in words


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, len(PHASES) - 1), st.integers(2, 40))
def test_a_waterfall_adds_up_to_its_latency(extra_us: int, phase: int, count: int) -> None:
    samples = calm(count)
    after(samples, count // 2, PHASES[phase], extra_us * 1000)
    for each in shown(samples):
        entry = as_document(each)
        row = entry["seq"]
        latency = int(samples["returned"][row] - samples["due"][row])
        assert sum(each.phases_ns) == latency
        assert entry["latency_us"] == latency / 1e3
        assert sum(entry["phases_us"].values()) * 1e3 - latency < 1
        assert entry["at_s"] == row * 0.01
