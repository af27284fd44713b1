"""Little's law as a check: exact on what really happened, and not on what did not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import a_block, a_cell

from benchkit.analysis.little import as_document, little
from benchkit.records.run import Block, Failure
from benchkit.records.samples import SAMPLE, Samples, Status
from benchkit.records.seen import InFlight


def served(gaps: list[int], services: list[int], producers: int = 1) -> tuple[Block, Samples]:
    """One worker, first come first served; the producers count what they have under way, event by event."""
    count = len(gaps)
    samples = np.zeros(count, SAMPLE)
    samples["seq"], samples["status"], samples["block"] = np.arange(count) + 7, Status.DELIVERED, 3
    due = 1_000_000 + np.cumsum(gaps)
    done = [0] * count
    free_at, seen = 0, 0
    for at in range(count):
        own = at % producers
        taken = int(due[at]) + 1
        # What a counter says that is raised when a message is sent and lowered when its reply is seen.
        seen += sum(done[each] > taken for each in range(at) if each % producers == own)
        began = max(taken + 5, free_at)
        done[at] = free_at = began + services[at]
        for name, moment in {
            "due": due[at], "taken": taken, "encoded": taken + 1, "sent": taken + 2, "asked": taken + 2,
            "received": began, "decoded": began, "started": began, "finished": free_at, "replied": free_at,
            "returned": free_at,
        }.items():  # fmt: skip
            samples[name][at] = moment
    block = a_block(a_cell(), 3, samples, in_flight=InFlight(count, seen), handled=count)
    return block, samples


TRAFFIC = st.integers(2, 60).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(10, 5000), min_size=count, max_size=count),
        st.lists(st.integers(1, 5000), min_size=count, max_size=count),
    )
)


@settings(deadline=None, max_examples=60)
@given(TRAFFIC, st.integers(1, 3))
def test_it_holds_to_the_message_on_whatever_happened(
    traffic: tuple[list[int], list[int]], producers: int
) -> None:
    block, samples = served(*traffic, producers)
    found = little([block], samples, producers=producers)
    assert not found.left_out
    assert found.blocks[0].ratio == 1.0
    assert not found.violated


def busy(count: int = 200, seed: int = 1) -> tuple[Block, Samples]:
    rng = np.random.default_rng(seed)
    return served(
        (rng.exponential(1000, count).astype(int) + 10).tolist(),
        (rng.exponential(800, count).astype(int) + 1).tolist(),
    )


def test_its_document_is_the_law() -> None:
    block, samples = busy()
    found = as_document(little([block], samples))
    assert found is not None
    product = found["throughput_per_s"] * found["mean_latency_us"] / 1e6
    assert found["mean_in_system"] == pytest.approx(product)
    assert found["in_flight_counted"] == found["in_flight_stamped"] > 0.5


def stretched(samples: Samples) -> None:
    """A clock that runs 5% fast where replies are seen."""
    samples["returned"] += ((samples["returned"] - samples["due"]) * 0.05).astype(int)


def half_lost(samples: Samples) -> None:
    """The stamps of half of the replies come from a moment long after."""
    samples["returned"][::2] += 50_000


def without_a_worker(samples: Samples) -> None:
    for name in ("asked", "received", "decoded", "started", "finished", "replied"):
        samples[name][:20] = 0


def of_another_block(samples: Samples) -> None:
    """The producer's columns of one block, joined with replies of a slower one."""
    _, other = busy(len(samples), seed=2)
    samples["returned"] = samples["due"] + 3 * (other["returned"] - other["due"])


@pytest.mark.parametrize("planted", [half_lost, without_a_worker, of_another_block, stretched])
def test_what_did_not_happen_breaks_it(planted: Any) -> None:
    block, samples = busy(2000)
    planted(samples)
    assert [each.block for each in little([block], samples).violated] == [3]


def test_one_sides_error_does_not_hide_the_others() -> None:
    block, samples = busy()
    assert block.in_flight is not None
    wrong = dataclasses.replace(
        block, handled=400, in_flight=dataclasses.replace(block.in_flight, seen=2 * block.in_flight.seen)
    )
    (checked,) = little([wrong], samples).violated
    assert checked.ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"in_flight": None, "handled": None}, "nobody counted"),
        ({"drained": False}, "cut short"),
        ({"failures": (Failure("stage-0", "PartyError", "it died"),)}, "cut short"),
        ({"duplicated": 1}, "twice"),
        ({"unexpected": 1}, "elsewhere"),
    ],
)
def test_a_block_that_tells_nothing_is_left_out_and_says_why(changes: dict[str, Any], why: str) -> None:
    block, samples = busy()
    found = little([dataclasses.replace(block, **changes)], samples)
    assert not found.blocks
    assert why in found.left_out[3]
    assert as_document(found) is None


def test_so_is_one_with_a_message_that_was_lost_or_without_any() -> None:
    block, samples = busy()
    samples["status"][5] = Status.LOST
    assert "not delivered" in little([block], samples).left_out[3]
    assert "no messages" in little([block], samples[:0]).left_out[3]


def test_without_replies_the_throughput_is_compared_alone() -> None:
    block, samples = busy()
    block = dataclasses.replace(block, in_flight=None)
    (checked,) = little([block], samples).blocks
    assert (checked.ratio, checked.violated) == (1.0, False)
    without_a_worker(samples)
    assert little([block], samples).violated


def test_where_no_worker_is_ours_messages_in_flight_are_compared_alone() -> None:
    block, samples = busy(2000)
    for name in ("asked", "received", "decoded", "started", "finished", "replied"):
        samples[name] = 0
    alone = dataclasses.replace(block, handled=None)
    assert not little([alone], samples).violated
    half_lost(samples)
    assert little([alone], samples).violated
