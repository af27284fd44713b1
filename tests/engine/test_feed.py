"""Messages are ready before they are due, and a wait for one is counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from benchkit.engine.feed import Pool, Stream, first_items, prepare
from benchkit.errors import UsageError
from benchkit.sources.base import Item, Source
from benchkit.tensors import integrity
from benchkit.tensors.codecs.raw import Raw


class Counting(Source):
    kind = "counting"
    ends_after: int = 1000

    def label(self) -> str:
        return "counting"

    def items(self, seed: int) -> Iterator[Item]:
        for number in range(self.ends_after):
            yield Item({"n": np.array([seed + number])})


class Failing(Source):
    kind = "failing"

    def label(self) -> str:
        return "failing"

    def items(self, seed: int) -> Iterator[Item]:
        yield Item({"n": np.array([0])})
        raise UsageError("the file ends here")


def number(message):
    return int(message.arrays["n"][0])


def test_a_pool_repeats_its_messages_in_order():
    pool = Pool([prepare(item, Raw(), i) for i, item in enumerate(first_items(Counting(), 7, 3))])
    assert [number(pool.take()) for _ in range(7)] == [7, 8, 9, 7, 8, 9, 7]
    assert pool.starved == 0


def test_checksums_are_of_the_body_that_travels():
    made = prepare(Item({"n": np.arange(5)}, b"meta"), Raw(), 0)
    body = b"".join(Raw().encode({"n": np.arange(5)}, b"meta"))
    assert made.checksum == integrity.checksum(body)
    assert made.fingerprint == integrity.fingerprint(body)
    assert made.wire_bytes == len(body)


def test_a_stream_makes_every_message_anew_and_then_ends():
    stream = Stream(Counting(ends_after=40), Raw(), 0)
    try:
        assert [number(stream.take()) for _ in range(40)] == list(range(40))
        assert stream.take() is None
        assert stream.take() is None
    finally:
        stream.close()


def test_a_stream_that_cannot_keep_up_is_counted():
    go = threading.Event()

    class Slow(Counting):
        def items(self, seed: int) -> Iterator[Item]:
            yield from super().items(seed)
            go.wait()
            yield Item({"n": np.array([99])})

    stream = Stream(Slow(ends_after=2), Raw(), 0)
    try:
        stream.take(), stream.take()
        threading.Timer(0.05, go.set).start()
        assert number(stream.take()) == 99
        assert stream.starved == 1
    finally:
        go.set()
        stream.close()


def test_a_source_that_fails_under_way_says_so_where_the_message_is_taken():
    stream = Stream(Failing(), Raw(), 0)
    try:
        stream.take()
        with pytest.raises(UsageError, match="the file ends here"):
            stream.take()
    finally:
        stream.close()


def test_a_closed_stream_leaves_no_thread():
    before = threading.active_count()
    Stream(Counting(), Raw(), 0).close()
    assert threading.active_count() == before


def test_a_source_without_messages_is_a_mistake_of_the_scenario():
    with pytest.raises(UsageError, match="made no message"):
        first_items(Counting(ends_after=0), 0, 3)


@pytest.mark.parametrize("producers", [1, 2, 3, 4, 5])
def test_producers_together_take_what_one_would_take_in_its_order(producers):
    items = [prepare(item, Raw(), i) for i, item in enumerate(first_items(Counting(), 0, 4))]
    pools = [Pool(items, producer, producers) for producer in range(producers)]
    streams = [Stream(Counting(), Raw(), 0, producer, producers) for producer in range(producers)]
    alone = Pool(items)
    for turn in range(12):
        whose = turn % producers
        assert number(pools[whose].take()) == number(alone.take())
        made = streams[whose].take()
        assert (number(made), made.index) == (turn, turn)
    for stream in streams:
        stream.close()
