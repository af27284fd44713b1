"""What became of each message, from marks whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import EPOCH_NS, done, file, mark, pipeline, produced, received

from benchkit.analysis.document import document
from benchkit.analysis.ledger import phases_ns
from benchkit.errors import RecordError
from benchkit.records.samples import PHASES, Status
from benchkit.trace.join import Joined, join
from benchkit.trace.layout import FAILED, Mark
from benchkit.trace.reader import read_folder
from benchkit.trace.run import Told, run_of


def joined(folder, hop=0, **how) -> Joined:
    traced, losses = read_folder(folder)
    assert not losses
    return join(traced, hop, **how)


def phases_us(found: Joined) -> list[dict[str, float]]:
    return [dict(zip(PHASES, (row / 1e3).tolist(), strict=True)) for row in phases_ns(found.samples)]


def test_three_calls_give_transit_queue_and_compute(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 50)])
    file(tmp_path, "w", [received(1, 100), done(1, 400), received(2, 410), done(2, 600)])
    first, second = phases_us(joined(tmp_path))
    assert first == {**dict.fromkeys(PHASES, 0.0), "transit": 100, "compute": 300}
    # The worker was busy with the first until 400: that long the second queued.
    assert second == {**dict.fromkeys(PHASES, 0.0), "queue": 350, "transit": 10, "compute": 190}


def test_finer_marks_divide_what_three_leave_together(tmp_path):
    own = [
        produced(1, 10, value=EPOCH_NS), mark(Mark.ENCODED, 1, 30), mark(Mark.SENT, 1, 60),
        mark(Mark.RETURNED, 1, 1000),
    ]  # fmt: skip
    file(tmp_path, "p", own)
    theirs = [
        mark(Mark.ASKED, "", 70), received(1, 100), mark(Mark.DECODED, 1, 200), mark(Mark.STARTED, 1, 250),
        mark(Mark.FINISHED, 1, 700), done(1, 800),
    ]  # fmt: skip
    file(tmp_path, "w", theirs)
    (found,) = phases_us(joined(tmp_path))
    expected = (10, 20, 30, 10, 30, 100, 50, 450, 100, 200)
    assert found == dict(zip(PHASES, expected, strict=True))


def test_two_workers_wait_for_themselves_alone(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 0)])
    file(tmp_path, "w1", [received(1, 100), done(1, 900)])
    file(tmp_path, "w2", [received(2, 100), done(2, 900)])
    found = joined(tmp_path)
    assert found.samples["worker"].tolist() == [0, 1]
    assert all(each["queue"] == 0 for each in phases_us(found))


def test_threads_of_one_process_are_workers_of_their_own(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 0), produced(3, 0)])
    rows = [
        received(1, 100, thread=1), received(2, 150, thread=2), done(1, 500, thread=1), done(2, 600, thread=2),
        received(3, 700, thread=2), done(3, 800, thread=2),
    ]  # fmt: skip
    file(tmp_path, "w", rows)
    found = joined(tmp_path)
    assert len(found.workers) == 2
    assert found.samples["worker"].tolist() == [0, 1, 1]
    assert [each["queue"] for each in phases_us(found)] == [0, 0, 600]


def test_a_name_that_comes_again_is_another_message(tmp_path):
    file(tmp_path, "p", [produced(7, 0), produced(7, 1000)])
    file(tmp_path, "w", [received(7, 100), done(7, 200), received(7, 1300), done(7, 1400)])
    found = joined(tmp_path)
    assert found.counted.produced_again == 0
    assert [each["transit"] for each in phases_us(found)] == [100, 300]


def test_a_message_that_is_sent_twice_is_one_and_keeps_its_first_moment(tmp_path):
    file(tmp_path, "p", [produced(7, 0), produced(7, 50)])
    file(tmp_path, "w", [received(7, 100), done(7, 200)])
    found = joined(tmp_path)
    assert found.counted.produced_again == 1
    assert phases_us(found)[0]["transit"] == 100


def test_of_two_deliveries_the_one_that_is_done_first_counts(tmp_path):
    file(tmp_path, "p", [produced(7, 0)])
    file(tmp_path, "slow", [received(7, 100), done(7, 900)])
    file(tmp_path, "fast", [received(7, 300), done(7, 400)])
    found = joined(tmp_path)
    assert found.counted.received_again == 1
    (row,) = phases_us(found)
    assert (row["transit"], row["compute"]) == (300, 100)


def test_a_process_that_hands_on_to_others_is_followed(tmp_path):
    file(tmp_path, "p", [produced(7, 0)])
    file(tmp_path, "poller", [received(7, 100)])
    file(tmp_path, "pool", [mark(Mark.STARTED, 7, 150), done(7, 400)])
    found = joined(tmp_path)
    assert found.samples["status"].tolist() == [Status.DELIVERED]
    assert phases_us(found)[0]["compute"] == 250


def test_a_failure_is_a_dead_letter(tmp_path):
    file(tmp_path, "p", [produced(7, 0)])
    file(tmp_path, "w", [received(7, 100), done(7, 400, flags=FAILED)])
    assert joined(tmp_path).samples["status"].tolist() == [Status.DEAD_LETTERED]


def test_what_was_overtaken_is_lost_and_what_is_under_way_is_left_out(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 10), produced(3, 500)])
    file(tmp_path, "w", [received(2, 100), done(2, 400)])
    found = joined(tmp_path)
    assert found.samples["status"].tolist() == [Status.LOST, Status.DELIVERED]
    assert (found.counted.never_received, found.counted.outside) == (1, 1)


def test_where_a_trace_is_missing_nobody_knows_what_became_of_open_messages(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 10)])
    file(tmp_path, "w", [received(2, 100), done(2, 400)])
    found = joined(tmp_path, all_there=False)
    assert found.samples["status"].tolist() == [Status.DELIVERED]
    assert (found.counted.never_received, found.counted.outside) == (0, 1)


def test_what_a_killed_process_held_is_counted(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 10)])
    file(tmp_path, "w1", [received(1, 100)], ended=False)
    file(tmp_path, "w2", [received(2, 100), done(2, 400)])
    found = joined(tmp_path)
    assert found.counted.lost_in_crash == found.counted.never_done == 1
    assert found.samples["status"].tolist() == [Status.LOST, Status.DELIVERED]


def test_a_reply_that_never_came_is_a_loss(tmp_path):
    marks = [produced(1, 0), produced(2, 10), produced(3, 20), mark(Mark.RETURNED, 2, 500)]
    file(tmp_path, "p", marks)
    rows = [each for n in (1, 2, 3) for each in (received(n, 100 * n), done(n, 100 * n + 50))]
    file(tmp_path, "w", rows)
    found = joined(tmp_path)
    assert found.samples["status"].tolist() == [Status.LOST, Status.DELIVERED]
    assert (found.counted.never_returned, found.counted.outside) == (1, 1)


def test_before_the_first_mark_that_was_kept_nothing_is_judged(tmp_path):
    file(tmp_path, "p", [produced(n, 100 * n) for n in range(10)])
    rows = [each for n in range(10) for each in (received(n, 100 * n + 20), done(n, 100 * n + 60))]
    file(tmp_path, "w", rows, places=8)
    found = joined(tmp_path)
    # The last eight marks of the worker are of messages 6 to 9; its first one is of 620 us.
    assert found.samples["status"].tolist() == [Status.DELIVERED] * 3
    assert (found.counted.outside, found.counted.never_produced, found.counted.never_received) == (7, 0, 0)


def test_received_and_never_produced_is_counted_and_a_late_call_is_told_apart(tmp_path):
    file(tmp_path, "p", [produced(1, 0), produced(2, 300)])
    rows = [received(n, 100 + n) for n in (1, 2, 3)] + [done(n, 200 + n) for n in (1, 2, 3)]
    file(tmp_path, "w", rows)
    counted = joined(tmp_path).counted
    assert (counted.never_produced, counted.before_produced) == (2, 1)


def test_hops_are_cells_of_their_own(tmp_path):
    file(tmp_path, "p", [produced(n, 100 * n) for n in range(3)])
    relay = []
    for n in range(3):
        relay += [received(n, 100 * n + 10), produced(n, 100 * n + 40, hop=1), done(n, 100 * n + 50)]
    file(tmp_path, "relay", relay)
    last = [(received(n, 100 * n + 60, hop=1), done(n, 100 * n + 90, hop=1)) for n in range(3)]
    file(tmp_path, "last", [each for pair in last for each in pair])
    run = run_of(tmp_path, Told())
    assert [cell.group for cell in run.cells] == ["hop-0", "hop-1"]
    transit = [phases_ns(run.samples[cell.id])[:, PHASES.index("transit")].tolist() for cell in run.cells]
    assert transit == [[10_000] * 3, [20_000] * 3]


def test_names_that_never_meet_are_shown_side_by_side(tmp_path):
    file(tmp_path, "p", [produced("frame-1", 0)])
    file(tmp_path, "w", [received("1", 100), done("1", 200)])
    with pytest.raises(
        RecordError, match=r"no name is on both sides: produced was 'frame-1', received was '1'"
    ):
        run_of(tmp_path, Told())


@pytest.mark.parametrize("missing", ["produced", "received"])
def test_a_side_that_was_never_marked_is_named(tmp_path, missing):
    rows = [produced(1, 0)] if missing == "received" else [received(1, 0), done(1, 5)]
    file(tmp_path, "one", rows)
    with pytest.raises(RecordError, match=f"nothing was {missing}"):
        run_of(tmp_path, Told())


def test_blocks_cut_the_messages_and_lose_none(tmp_path):
    run = run_of(pipeline(tmp_path, 420), Told())
    (samples,) = run.samples.values()
    assert len(samples) == sum(block.scheduled for block in run.blocks) == 420
    assert sorted(set(samples["block"].tolist())) == [block.index for block in run.blocks] == list(range(8))


any_mark = st.builds(
    mark,
    st.sampled_from(Mark),
    st.integers(0, 5),
    st.integers(0, 1000),
    thread=st.integers(0, 2),
    value=st.integers(0, 2 * EPOCH_NS),
    flags=st.integers(0, 1),
)


any_processes = st.lists(st.tuples(st.lists(any_mark, max_size=30), st.booleans()), min_size=1, max_size=4)


def written(folder, processes):
    for at, (marks, ended) in enumerate(processes):
        file(folder, f"p{at}", sorted(marks, key=lambda each: each["at"]), ended=ended)
    return folder


@settings(max_examples=60, deadline=None)
@given(any_processes, st.booleans())
def test_whatever_is_marked_every_message_is_in_one_place(tmp_path_factory, processes, all_there):
    traced, _ = read_folder(written(tmp_path_factory.mktemp("any"), processes))
    found = join(traced, 0, all_there=all_there)
    counted, status = found.counted, found.samples["status"]
    count = sum(int((each.marks["mark"] == Mark.PRODUCED).sum()) for each in traced)
    assert len(found.samples) + counted.outside + counted.produced_again == count
    lost = int((status == Status.LOST).sum())
    assert lost == counted.never_received + counted.never_done + counted.never_returned
    assert not (status == Status.PENDING).any()
    assert (np.diff(found.samples["due"]) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(any_processes)
def test_whatever_is_marked_it_is_analysed_or_refused_with_a_remedy(tmp_path_factory, processes):
    folder = written(tmp_path_factory.mktemp("any"), processes)
    try:
        run = run_of(folder, Told())
    except RecordError as error:
        assert error.remedy
        return
    found = document(run)
    json.dumps(found, allow_nan=False)
    for cell in found["cells"]:
        places = ("delivered", "dropped", "rejected", "dead_lettered", "lost", "pending")
        assert sum(cell["account"][name] for name in places) == cell["account"]["scheduled"]
