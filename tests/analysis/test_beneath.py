"""How many times its floor a cell takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.records.run import Run

PATHS = {"tcp-socket": {"1128": {"exchange": 50.0, "one_way": 30.0}}}


def measured(*, replies: bool = True, floor: str = "tcp-socket") -> Run:
    run = a_run([a_cell(replies=replies, floor=floor)])
    assert run.floor is not None
    run.floor = replace(run.floor, paths_us=PATHS)
    return run


@pytest.mark.parametrize(("replies", "least_us"), [(True, 50.0), (False, 30.0)])
def test_it_is_what_the_transport_does_over_the_same_bytes_by_hand(replies, least_us):
    found = document(measured(replies=replies))
    (cell,) = found["cells"]
    floor = cell["floor"]
    assert floor["p50_us"] == least_us
    assert floor["ratio"] == pytest.approx(floor["moved_p50_us"] / least_us)
    # The moving phases' medians are near the median of their sum, and the others are no part of it.
    parts = [cell["phases_us"][name]["mean"] for name in ("send", "transit", "reply", "return")]
    assert sum(parts) / 3 < floor["moved_p50_us"] < sum(parts) * 3
    assert floor["moved_p50_us"] < cell["latency_us"]["p50"]
    assert "times its floor" in " ".join(found["answer"])


@pytest.mark.parametrize(("wake_us", "said"), [(40.0, True), (10.0, False)])
def test_where_waking_takes_longer_than_the_floor_the_answer_says_so(wake_us, said):
    run = measured()
    run.floor = replace(run.floor, wake_us={"p50": wake_us, "p99": wake_us})
    found = document(run)
    assert found["cells"][0]["floor"]["wakes_us"] == 2 * wake_us
    assert ("being woken takes about 80" in " ".join(found["answer"])) == said


@pytest.mark.parametrize("floor", ["", "unix-socket"])
def test_without_a_measured_floor_there_is_no_ratio(floor):
    found = document(measured(floor=floor))
    assert found["cells"][0]["floor"] is None
    assert "times its floor" not in " ".join(found["answer"])


def test_a_record_from_before_has_none():
    run = measured()
    run.floor = None
    assert document(run)["cells"][0]["floor"] is None
