"""Journals of any number of lives -> one row a message."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.engine.faulted.collecting import Written, in_flight, operations, torn_beyond_number
from benchkit.engine.faulted.journal import EVENT, What


def written(turn: int, *events: tuple[What, int, int, int]) -> Written:
    rows = np.zeros(len(events), EVENT)
    for row, (what, seq, at_ns, detail) in zip(rows, events, strict=True):
        row["what"], row["seq"], row["at_ns"], row["detail"] = what, seq, at_ns, detail
    return Written(turn, rows)


def test_a_message_that_went_all_the_way() -> None:
    producer = written(
        0, (What.READY, -1, 1, 0), (What.TAKEN, 0, 10, 9), (What.SENT, 0, 11, 0), (What.CONFIRMED, 0, 12, 0),
        (What.REPLIED, 0, 20, 0),
    )  # fmt: skip
    worker = written(
        0, (What.RECEIVED, 0, 13, 1), (What.STARTED, 0, 14, 0), (What.FINISHED, 0, 15, 0), (What.ACKED, 0, 16, 0)
    )
    (row,) = operations([producer, worker])
    assert {name: int(row[name]) for name in row.dtype.names} == {
        "seq": 0, "due": 9, "taken": 10, "sent": 11, "confirmed": 12, "rejected": 0, "returned": 20, "received": 13,
        "started": 14, "finished": 15, "acked": 16, "failed": 0, "deliveries": 1, "replies": 1, "worker": 1, "torn": 0,
        "turn": 0,
    }  # fmt: skip


def test_a_worker_that_dies_leaves_a_second_delivery_to_the_next_life() -> None:
    producer = written(0, (What.TAKEN, 3, 10, 10), (What.SENT, 3, 11, 0), (What.CONFIRMED, 3, 12, 0))
    first = written(0, (What.RECEIVED, 3, 20, 0), (What.STARTED, 3, 21, 0))
    second = written(1, (What.RECEIVED, 3, 40, 0), (What.STARTED, 3, 41, 0), (What.FINISHED, 3, 42, 0), (What.ACKED, 3, 43, 0))
    # Whatever order the journals are given in, first means first in time.
    (row,) = operations([second, producer, first])
    assert (row["received"], row["started"], row["finished"], row["deliveries"]) == (20, 21, 42, 2)


def test_what_nobody_sent_has_a_row_and_what_has_no_number_is_counted() -> None:
    worker = written(0, (What.RECEIVED, 7, 5, 2), (What.TORN, 7, 6, 0), (What.RECEIVED, -1, 8, 2), (What.TORN, -1, 9, 0))
    (row,) = operations([worker])
    assert (row["seq"], row["taken"], row["received"], row["torn"], row["worker"]) == (7, 0, 5, 1, 2)
    assert torn_beyond_number([worker]) == 1


def test_without_a_journal_there_are_no_rows() -> None:
    assert len(operations([])) == 0
    assert len(operations([written(0)])) == 0


EVENT_LISTS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from([What.TAKEN, What.SENT, What.CONFIRMED, What.RECEIVED, What.ACKED, What.REPLIED]),
            st.integers(0, 6), st.integers(1, 1000), st.integers(0, 3),
        ),
        max_size=25,
    ),
    max_size=4,
)  # fmt: skip


@given(EVENT_LISTS)
@settings(max_examples=150, deadline=None)
def test_first_moments_and_counts_are_those_of_the_events(lists: list[list[tuple[What, int, int, int]]]) -> None:
    rows = operations([written(turn, *sorted(each, key=lambda event: event[2])) for turn, each in enumerate(lists)])
    events = [event for each in lists for event in each]
    seen = {seq for what, seq, *_ in events if what in (What.TAKEN, What.RECEIVED, What.REPLIED)}
    assert set(rows["seq"].tolist()) == seen
    for row in rows:
        own = [event for event in events if event[1] == row["seq"]]
        for column, what in (("taken", What.TAKEN), ("acked", What.ACKED), ("confirmed", What.CONFIRMED)):
            assert row[column] == min((at for kind, _, at, _ in own if kind == what), default=0)
        assert row["deliveries"] == sum(kind == What.RECEIVED for kind, *_ in own)
        assert row["replies"] == sum(kind == What.REPLIED for kind, *_ in own)


def test_in_flight_at_a_moment() -> None:
    producer = written(0, *((What.TAKEN, seq, 10 + seq, 0) for seq in range(4)))
    worker = written(
        0, (What.RECEIVED, 0, 12, 0), (What.ACKED, 0, 13, 0), (What.RECEIVED, 1, 14, 0), (What.ACKED, 1, 30, 0)
    )
    rows = operations([producer, worker])
    # 0 is done, 1 is in a worker's hands, 2 is queued, 3 was not yet turned to.
    assert in_flight(rows, 12) == (2, 1)
    assert in_flight(rows, 20) == (2, 1)
    assert in_flight(rows, 5) == (0, 0)
