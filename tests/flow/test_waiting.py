"""The queue of what waits: its bound, its order, and that nothing disappears without being named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.flow.waiting import Waiting

POLICIES = ("block", "drop-oldest", "drop-newest", "latest-only")


@dataclass(eq=False)
class Message:
    number: int
    due_ns: int


def moves():
    """put; put back what was taken last, to be ready after so long; take; drop what is overdue; time passes."""
    return st.lists(
        st.one_of(
            st.just(("put", 0)), st.just(("take", 0)), st.tuples(st.just("back"), st.integers(0, 5)),
            st.tuples(st.just("overdue"), st.integers(0, 8)), st.tuples(st.just("pass"), st.integers(1, 4)),
        ),
        max_size=60,
    )  # fmt: skip


@given(st.sampled_from(POLICIES), st.integers(1, 5), moves())
def test_what_went_in_came_out_or_was_dropped_or_still_waits(policy, places, steps):
    waiting = Waiting(policy, places)
    now = number = put_back = 0
    inside, taken, dropped, away = set(), [], [], []
    for move, amount in steps:
        gone = None
        if move == "put" and waiting.room:
            message = Message(number, now)
            number += 1
            inside.add(message)
            gone = waiting.put(message)
        elif move == "back" and away:
            message = away.pop()
            put_back += 1
            inside.add(message)
            gone = waiting.put_back(message, now + amount)
        elif move == "take" and waiting.first is not None:
            message = waiting.take()
            inside.remove(message)
            taken.append(message)
            away.append(message)
        elif move == "overdue":
            for message in waiting.overdue(now - amount):
                assert message.due_ns < now - amount
                inside.remove(message)
                dropped.append(message)
        elif move == "pass":
            now += amount
            waiting.wake(now)
        if gone is not None:
            inside.remove(gone)
            dropped.append(gone)
        assert set(waiting) == inside
        assert len(waiting) == len(inside)
        if policy == "block":
            # What was promised to be kept and comes back is beyond the bound.
            assert len(waiting) <= places + put_back
        else:
            assert len(waiting) <= places
            assert waiting.most <= places
    # Everything that was put in is in exactly one place: taken last, dropped, or waiting.
    assert len(inside) + len(away) + len(dropped) == number
    assert not {*dropped} & inside


@given(st.sampled_from(POLICIES), st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_without_second_tries_what_is_sent_keeps_its_order(policy, places, steps):
    waiting = Waiting(policy, places)
    sent = []
    for number, put in enumerate(steps):
        if put and waiting.room:
            waiting.put(Message(number, number))
        elif waiting.first is not None:
            sent.append(waiting.take().number)
    assert sent == sorted(set(sent))


@given(st.integers(1, 20))
def test_latest_only_keeps_the_newest_alone(count):
    waiting = Waiting("latest-only", 1)
    dropped = [waiting.put(Message(number, number)) for number in range(count)]
    assert [each.number for each in dropped if each] == list(range(count - 1))
    assert waiting.take().number == count - 1


@pytest.mark.parametrize(("policy", "stays"), [("drop-oldest", [2, 3, 4]), ("drop-newest", [0, 1, 2])])
def test_which_end_of_a_full_queue_is_dropped(policy, stays):
    waiting = Waiting(policy, 3)
    for number in range(5):
        waiting.put(Message(number, number))
    assert [each.number for each in waiting] == stays


def test_block_has_no_room_when_it_is_full_and_drops_nothing():
    waiting = Waiting("block", 2)
    assert waiting.put(Message(0, 0)) is None
    assert waiting.room
    assert waiting.put(Message(1, 1)) is None
    assert not waiting.room


def test_a_second_try_waits_for_its_moment_and_then_goes_before_younger_ones():
    waiting = Waiting("block", 4)
    first = Message(0, 0)
    waiting.put_back(first, 100)
    waiting.put(Message(1, 10))
    waiting.put(Message(2, 20))
    assert (waiting.first.number, waiting.wakes_ns) == (1, 100)
    waiting.wake(99)
    assert waiting.first.number == 1
    waiting.wake(100)
    assert [waiting.take().number for _ in range(3)] == [0, 1, 2]
    assert waiting.wakes_ns is None


def test_what_waits_for_its_moment_is_the_oldest_and_dropped_first():
    waiting = Waiting("drop-oldest", 2)
    waiting.put_back(Message(0, 0), 100)
    waiting.put(Message(1, 1))
    assert waiting.put(Message(2, 2)).number == 0
    # And one that comes back to a full queue is itself the oldest.
    late = Message(0, 0)
    assert waiting.put_back(late, 50) is late


@pytest.mark.parametrize("asleep", [False, True])
def test_what_needs_not_be_sent_any_more_is_taken_out(asleep):
    waiting = Waiting("block", 3)
    message = Message(0, 0)
    if asleep:
        waiting.put_back(message, 100)
    else:
        waiting.put(message)
    waiting.put(Message(1, 1))
    waiting.remove(message)
    waiting.wake(1000)
    assert [each.number for each in waiting] == [1]
