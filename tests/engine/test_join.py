"""Every scheduled message ends in exactly one status, whatever the parties saw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.engine.fan_in import together
from benchkit.engine.join import join
from benchkit.engine.task import Task
from benchkit.engine.worker import COLUMNS
from benchkit.records.samples import Status

FIRST = 100
TOLD = (
    "outstanding", "warmup_messages", "starved", "cpu_ns", "pacing_cpu_ns", "unexpected", "duplicated",
    "checked_replies", "wrong_replies", "malformed", "ended_ns", "last_seen_ns", "peak_rss_bytes", "rss_bytes",
    "spin_ns", "turned", "seen_in_flight",
    "started_ns",
)  # fmt: skip


def task(**changes):
    options = {
        "cell": "c", "source": {}, "codec": {}, "transport": {}, "stage": {}, "load": {}, "where": {},
        "first_seq": 0, "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "duration_s": 1.0,
        "warmup_s": 0.0, "drain_s": 1.0, "payload_seed": 0, "schedule_seed": 0, "stage_seed": 0,
        "checksum_every": 0, "stop_on_error": False, "one_process": False,
    }  # fmt: skip
    return Task(**{**options, **changes})


def producer(count, *, sent=(), returned=(), status=()):
    """Columns of a producer that sent and saw the messages at these indices."""
    columns = {name: np.zeros(count, np.int64) for name in ("sent", "returned", "status")}
    columns["due"] = np.arange(count) * 1000 + 1
    columns["taken"] = columns["due"] + 1
    columns["encoded"] = columns["due"] + 2
    for index in sent:
        columns["sent"][index] = columns["due"][index] + 3
    for index in returned:
        columns["returned"][index] = columns["due"][index] + 100
    for index, value in status:
        columns["status"][index] = value
    return columns


def worker(rows):
    """Columns of a worker; rows are (index, moment, ok)."""
    columns = {name: np.zeros(len(rows), np.int64) for name in COLUMNS}
    for position, (index, moment, ok) in enumerate(rows):
        columns["seq"][position] = FIRST + index
        for step, name in enumerate(("asked", "received", "decoded", "started", "finished", "replied")):
            columns[name][position] = moment + step
        columns["ok"][position] = ok
    return columns


def joined(producing, workers, **changes):
    options = {
        "block": 0,
        "first_seq": FIRST,
        "warmup_messages": 0,
        "replies": True,
        "payload_bytes": 8,
        "gave_up": False,
    }
    return join(producing, workers, **{**options, **changes})


def test_a_message_that_came_back_is_delivered_with_all_its_stamps():
    found = joined(producer(1, sent=[0], returned=[0]), [worker([(0, 10, True)])])
    (row,) = found.samples
    assert row["status"] == Status.DELIVERED
    assert (row["asked"], row["received"], row["replied"], row["worker"]) == (10, 11, 15, 0)
    assert row["seq"] == FIRST


@pytest.mark.parametrize(
    ("producing", "rows", "gave_up", "status"),
    [
        (producer(1), [], False, Status.PENDING),
        (producer(1, sent=[0]), [], False, Status.LOST),
        (producer(1, sent=[0]), [], True, Status.PENDING),
        (producer(1, sent=[0], returned=[0]), [(0, 10, False)], False, Status.DEAD_LETTERED),
        (producer(1, sent=[0], status=[(0, 3)]), [], False, Status.REJECTED),
        (producer(1, sent=[0], returned=[0], status=[(0, 4)]), [(0, 10, False)], False, Status.DEAD_LETTERED),
        # Its worker died with the columns: delivered all the same.
        (producer(1, sent=[0], returned=[0]), [], False, Status.DELIVERED),
    ],
)
def test_what_became_of_a_message(producing, rows, gave_up, status):
    assert joined(producing, [worker(rows)], gave_up=gave_up).samples["status"] == [status]


def test_without_replies_the_workers_word_counts():
    found = joined(producer(2, sent=[0, 1]), [worker([(0, 10, True)])], replies=False)
    assert found.samples["status"].tolist() == [Status.DELIVERED, Status.LOST]


def test_a_second_delivery_is_a_duplicate_and_the_first_reply_keeps_its_stamps():
    found = joined(
        producer(1, sent=[0], returned=[0]), [worker([(0, 50, True)]), worker([(0, 10, True), (0, 90, True)])]
    )
    assert found.duplicated == 2
    assert (found.samples["received"][0], found.samples["worker"][0]) == (11, 1)


def test_messages_overtaken_on_the_way_are_counted_per_worker():
    assert (
        joined(producer(4), [worker([(0, 10, True), (2, 20, True), (1, 30, True), (3, 40, True)])]).reordered
        == 1
    )
    assert (
        joined(producer(4), [worker([(2, 20, True), (3, 40, True)]), worker([(0, 10, True)])]).reordered == 0
    )


def test_messages_of_another_block_are_unexpected_and_change_nothing():
    found = joined(
        producer(2, sent=[0, 1], returned=[0, 1]),
        [worker([(0, 10, True), (1, 20, True), (-3, 30, True), (7, 40, True)])],
    )
    assert found.unexpected == 2
    assert found.samples["status"].tolist() == [Status.DELIVERED] * 2


@given(st.data())
def test_every_account_closes(data):
    count = data.draw(st.integers(0, 12))
    indices = st.lists(st.integers(0, count - 1), unique=True) if count else st.just([])
    sent, returned = data.draw(indices), data.draw(indices)
    rows = st.lists(st.tuples(st.integers(-2, count + 1), st.integers(1, 1000), st.booleans()), max_size=15)
    workers = [worker(each) for each in data.draw(st.lists(rows, max_size=3))]
    found = joined(
        producer(count, sent=sent, returned=returned), workers,
        replies=data.draw(st.booleans()), gave_up=data.draw(st.booleans()),
    )  # fmt: skip
    assert len(found.samples) == count
    assert set(found.samples["status"].tolist()) <= set(map(int, Status))
    arrived = sum(len(each["seq"]) for each in workers)
    distinct = len({seq for each in workers for seq in each["seq"].tolist() if FIRST <= seq < FIRST + count})
    assert found.duplicated + found.unexpected + distinct == arrived


@given(st.data())
def test_producers_that_sent_unequal_counts_are_joined_each_message_once(data):
    """Rows in the order of due moments; gaps in the numbers are nobody's loss."""
    step = 3
    counts = [data.draw(st.integers(0, 6)) for _ in range(step)]
    alive = [number for number in range(step) if data.draw(st.booleans())] or [0]
    reports = []
    for number, count in enumerate(counts):
        dues = sorted(data.draw(st.lists(st.integers(1, 50), min_size=count, max_size=count)))
        columns = producer(count, sent=range(count), returned=range(count))
        columns["due"] = np.array(dues, np.int64)
        report = dict.fromkeys(TOLD, 1)
        report["columns"] = {
            name: (column.astype(np.int8) if name == "status" else column).tobytes()
            for name, column in columns.items()
        }
        reports.append(report if number in alive else None)
    produced = together(reports, task(producers=step, first_seq=FIRST))
    numbers = {number: [number + turn * step for turn in range(counts[number])] for number in range(step)}
    sent = [seq for number in alive for seq in numbers[number]]
    # One worker takes everything, also what the silent ones sent, in any order across producers.
    arrived = data.draw(st.permutations([seq for own in numbers.values() for seq in own]))
    stranger = 3 * 6 + alive[0]
    rows = [(seq, 100 + 10 * at, True) for at, seq in enumerate([*arrived, stranger])]
    found = joined(
        produced.columns, [worker(rows)], producers=step, silent=produced.silent, warmup_messages=0
    )
    assert sorted((found.samples["seq"] - FIRST).tolist()) == sorted(sent)
    assert (np.diff(found.samples["due"]) >= 0).all()
    assert (found.samples["status"] == Status.DELIVERED).all()
    assert (found.samples["received"] != 0).all()
    assert (found.unexpected, found.duplicated) == (1, 0)
    behind = 0
    for number in range(step):
        own = [seq for seq in arrived if seq % step == number and number in alive]
        behind += sum(seq < max(own[: at + 1]) for at, seq in enumerate(own))
    assert found.reordered == behind
    assert produced.told["outstanding"] == len(alive)
    assert produced.told["peak_rss_bytes"] == 1


def test_nothing_is_together_where_nobody_reports():
    assert together([None, None], task(producers=2)) is None
