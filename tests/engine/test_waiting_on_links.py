"""Through a link a message waits for its worker only while that is busy; what it is on its way is transit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.ledger import phases_ns
from benchkit.engine.waiting import count_busy_alone
from benchkit.records.samples import PHASES, SAMPLE, Status

QUEUE, TRANSIT = PHASES.index("queue"), PHASES.index("transit")


def served(rows: list[tuple[int, int, int, int]], worker: int = 0) -> np.ndarray:
    """Rows of (sent, asked, received, replied)."""
    samples = np.zeros(len(rows), SAMPLE)
    samples["status"], samples["worker"] = Status.DELIVERED, worker
    for name, at in (("sent", 0), ("asked", 1), ("received", 2), ("replied", 3)):
        samples[name] = [row[at] for row in rows]
    for name in ("due", "taken", "encoded"):
        samples[name] = samples["sent"]
    for name in ("decoded", "started"):
        samples[name] = samples["received"]
    samples["finished"] = samples["returned"] = samples["replied"]
    return samples


def test_waiting_for_what_is_on_its_way_is_no_queue() -> None:
    # Sent every 10, 50 on the way, 2 of work each: the worker is idle for the rest.
    samples = served([(n * 10, max(1, n * 10 + 42), n * 10 + 50, n * 10 + 52) for n in range(1, 12)])
    assert (phases_ns(samples)[:, QUEUE] == 42).all()
    count_busy_alone(samples)
    table = phases_ns(samples)
    # Of the 42 until it asked, the worker was busy with five earlier messages at the most.
    assert (table[:, QUEUE] <= 10).all()
    assert (table[:, QUEUE] + table[:, TRANSIT] == 50).all()


def test_a_busy_worker_is_waited_for_as_before() -> None:
    # All sent at 1 and there at once; each takes 10.
    rows = [(1, n * 10 + 2, n * 10 + 2, n * 10 + 12) for n in range(8)]
    samples = served(rows)
    before = phases_ns(samples)
    count_busy_alone(samples)
    assert np.abs(phases_ns(samples)[:, QUEUE] - before[:, QUEUE]).max() <= 1


def test_workers_do_not_count_for_each_other_and_what_was_not_received_stays() -> None:
    one, other = served([(1, 2, 50, 90), (40, 90, 95, 99)]), served([(3, 4, 5, 80)], worker=1)
    lost = np.zeros(1, SAMPLE)
    lost["sent"] = 7
    samples = np.concatenate([one, other, lost])
    count_busy_alone(samples)
    # The second waited from 50, when the first was received, to 90.
    assert samples["asked"].tolist() == [1, 80, 3, 0]


@given(st.data())
def test_queue_never_grows_and_the_phases_still_add_up(data: st.DataObject) -> None:
    rows, now = [], 1
    for _ in range(data.draw(st.integers(1, 12))):
        asked = now
        received = asked + data.draw(st.integers(0, 50))
        now = received + data.draw(st.integers(0, 50))
        rows.append((data.draw(st.integers(1, received)), asked, received, now))
    samples = served(rows)
    before = phases_ns(samples)
    count_busy_alone(samples)
    after = phases_ns(samples)
    assert (after[:, QUEUE] <= before[:, QUEUE]).all()
    assert (after.sum(axis=1) == before.sum(axis=1)).all()
