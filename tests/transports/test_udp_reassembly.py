"""Fragments, groups and reassembly of the udp transport, without a socket."""

import importlib.util
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import MessageError
from benchkit.transports._udp import head as heads
from benchkit.transports._udp.arrivals import arrivals
from benchkit.transports._udp.cut import Cut
from benchkit.transports._udp.flight import Flight
from benchkit.transports._udp.head import HEAD_BYTES, LAYOUT, MESSAGE, Head, parse
from benchkit.transports._udp.outgoing import Outgoing, Told
from benchkit.transports._udp.reassembly import Counts, Inbox, Room
from benchkit.transports.buffers import Pool

TOKEN = 7
TOKEN_BYTES = TOKEN.to_bytes(8, "little")
TOLD = Told(TOKEN, 0, 0, 1, 0)
TABLE = memoryview(bytearray(1 << 16))
SIZE = 64
LIMIT = 5000
MESSAGES = 4
NO_RS = importlib.util.find_spec("zfec") is None
PARITIES = [0, 1, *([] if NO_RS else [3])]


def body(nbytes, seed=1):
    return np.random.default_rng(seed).bytes(nbytes)


def fragments(number, message, cut, parts=None):
    """A message's datagrams, as memoryviews."""
    out = Outgoing(MESSAGE, number, parts or [message], cut, Pool(0))
    found = []
    while out.index < cut.end:
        # Eight and more of one part are written in one go.
        count = out.together(3 + number % 2 * 8)
        pieces = out.fragments(count, TOLD, TABLE)
        joined = b"".join(pieces)
        full = HEAD_BYTES + cut.size
        found += [memoryview(joined[at : at + full]) for at in range(0, len(joined), full)]
    return found


class Receiving:
    """An inbox and what came out of it."""

    def __init__(self, messages=MESSAGES, patience_s=1.0, group=0, parity=0):
        self.room, self.counts = Room(LIMIT, messages), Counts()

        def cut(total):
            return Cut(total, SIZE, group if parity else 0, parity)

        self.inbox = Inbox(self.room, self.counts, patience_s, cut)
        self.whole = []
        self.refused = 0

    def take(self, datagram, now_s=0.0):
        try:
            found = self.inbox.take(parse(datagram), datagram[HEAD_BYTES:], now_s)
        except MessageError:
            self.refused += 1
            return
        if found is not None:
            self.whole.append((found.number, bytes(found.buffer[: found.total])))
            self.room.give(found.buffer)

    @property
    def held(self):
        return MESSAGES - self.room._free


sizes = st.integers(0, LIMIT)
parities = st.sampled_from(PARITIES)
groups = st.integers(1, 12)


@given(sizes, groups, parities, st.randoms(use_true_random=False))
def test_whatever_order_fragments_come_in_and_how_often_the_message_is_whole_once(
    nbytes, group, parity, shuffle
):
    cut = Cut(nbytes, SIZE, group if parity else 0, parity)
    message = body(nbytes)
    datagrams = fragments(1, message, cut) + fragments(1, message, cut, [message[:9], message[9:]])
    shuffle.shuffle(datagrams)
    to = Receiving(group=group, parity=parity)
    for datagram in datagrams:
        to.take(datagram)
    assert to.whole == [(1, message)]
    assert to.held == 0
    assert not to.refused
    counts = to.counts
    assert counts.received_fragments + counts.duplicate_fragments <= len(datagrams)
    assert not counts.incomplete_messages


@given(sizes, groups, st.sampled_from([each for each in PARITIES if each]), st.randoms(use_true_random=False))
def test_rows_that_come_after_their_parity_make_the_message_and_no_more(nbytes, group, parity, shuffle):
    """A row may hold several of a group that lacked as many as there is parity: none of them is missing then."""
    cut = Cut(nbytes, SIZE, group, parity)
    message = body(nbytes)
    datagrams = fragments(1, message, cut)
    full = [each for each in datagrams[: cut.count] if each.nbytes == HEAD_BYTES + SIZE]
    pieces, at = [(each, 1) for each in (*datagrams[cut.count :], *datagrams[len(full) : cut.count])], 0
    while at < len(full):
        count = shuffle.randrange(1, 8)
        row = full[at : at + count]
        pieces.append((memoryview(b"".join(row)), len(row)))
        at += count
    shuffle.shuffle(pieces)
    to = Receiving(group=group, parity=parity)
    whole = []
    for piece, count in pieces:
        found = to.inbox.arrived(parse(piece[: HEAD_BYTES + SIZE]), piece, count, 0.0)
        if found is not None:
            whole.append(bytes(found.buffer[: found.total]))
    assert whole == [message]


@given(sizes, groups, parities, st.randoms(use_true_random=False))
def test_so_many_lost_fragments_of_each_group_are_recovered_and_no_more(nbytes, group, parity, choose):
    cut = Cut(nbytes, SIZE, group if parity else 0, parity)
    message = body(nbytes)
    datagrams = dict(enumerate(fragments(1, message, cut)))
    spared = []
    for number in range(cut.groups):
        own = [index for index in datagrams if cut.group_of(index) == number]
        spared += choose.sample(own, min(parity, len(own)))
    to = Receiving(group=group, parity=parity)
    for index, datagram in datagrams.items():
        if index not in spared:
            to.take(datagram)
    assert to.whole == [(1, message)]
    if parity and cut.count > 1:
        # One more than the parity of a group, all of them data where there are so many.
        members = list(cut.members(0))
        short = {
            *members[: parity + 1],
            *range(cut.count, cut.count + cut.groups * (parity + 1 - len(members))),
        }
        if len(short) > parity and len(members) > parity:
            again = Receiving(group=group, parity=parity)
            for index, datagram in datagrams.items():
                if index not in short:
                    again.take(datagram)
            assert again.whole == []


@pytest.mark.parametrize("parity", [1, pytest.param(3, marks=pytest.mark.skipif(NO_RS, reason="no zfec"))])
def test_a_burst_as_long_as_there_are_groups_times_parity_costs_nothing(parity):
    cut = Cut(LIMIT, SIZE, 8, parity)
    message = body(LIMIT)
    datagrams = fragments(1, message, cut)
    for first in range(cut.count):
        to = Receiving(group=8, parity=parity)
        for index, datagram in enumerate(datagrams):
            if not first <= index < first + cut.groups * parity:
                to.take(datagram)
        assert to.whole == [(1, message)]
        gone = min(cut.groups * parity, cut.count - first)
        assert (to.counts.recovered_fragments, to.counts.recovered_messages) == (gone, 1)


def test_a_message_is_gathered_from_many_parts_and_its_parts_may_change_once_it_is_kept():
    parts = [bytearray(body(n, n)) for n in (1, 64, 700, 3)]
    message = b"".join(parts)
    cut = Cut(len(message), SIZE)
    out = Outgoing(MESSAGE, 1, parts, cut, Pool(0))
    first = out.fragments(3, TOLD, TABLE)
    kept = [bytes(piece) for piece in first]
    out.keep()
    for part in parts:
        part[:] = bytes(len(part))
    rest = out.fragments(cut.end - 3, TOLD, TABLE)
    joined = b"".join(bytes(piece) for piece in [*kept, *rest])
    full = HEAD_BYTES + SIZE
    assert b"".join(joined[at + HEAD_BYTES : at + full] for at in range(0, len(joined), full)) == message


def test_what_stays_incomplete_is_given_up_after_its_time_and_never_comes_back():
    to = Receiving(patience_s=1.0)
    cut = Cut(3 * SIZE, SIZE)
    datagrams = fragments(1, body(3 * SIZE), cut)
    to.take(datagrams[0], 0.0)
    to.inbox.expire(100.0)
    assert 1 in to.inbox  # who sends may pause
    to.inbox.ended([1, 7], 100.0)
    to.take(datagrams[1], 100.9)
    to.inbox.expire(101.8)
    assert 1 in to.inbox
    to.inbox.expire(101.95)
    assert 1 not in to.inbox
    assert to.held == 0
    to.take(datagrams[2], 2.0)
    assert to.whole == []
    assert (to.counts.incomplete_messages, to.counts.duplicate_fragments) == (1, 1)


def test_where_there_is_no_room_the_oldest_incomplete_message_goes():
    to = Receiving(messages=2)
    cut = Cut(2 * SIZE, SIZE)
    sent = {number: fragments(number, body(2 * SIZE, number), cut) for number in (1, 2, 3)}
    for number in sent:
        to.take(sent[number][0])
    for number in sent:
        to.take(sent[number][1])
    assert [number for number, _ in to.whole] == [2, 3]
    assert to.counts.incomplete_messages == 1


def hostile():
    """Heads with any values in them, and any bytes behind."""
    return st.builds(
        lambda kind, parity, group, size, spare, number, total, index, data: (
            LAYOUT.pack(TOKEN, kind, parity, group, size, spare, number, total, index, 0, 0, 0) + data
        ),
        st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535),
        st.sampled_from([0, 7, 8, 64, 65528, 65535]), st.sampled_from([0, 0, 0, 1]),
        st.integers(0, 2**32 - 1) | st.integers(0, 9), st.sampled_from([0, 1, 64, 65, 4999, 5001, 2**32 - 1]),
        st.integers(0, 2**32 - 1) | st.integers(0, 9), st.binary(max_size=80),
    )  # fmt: skip


def parsed(datagram):
    try:
        return parse(datagram)
    except MessageError:
        return None


def disturbed(rng, datagrams):
    """Some lost, some twice, some cut short, some with a byte of their head changed, in another order."""
    for datagram in datagrams:
        chance = rng.random()
        if chance < 0.15:
            continue
        if chance < 0.25:
            yield datagram
        if chance < 0.35:
            yield memoryview(bytes(datagram[: rng.randrange(datagram.nbytes)]))
        elif chance < 0.45:
            changed = bytearray(datagram)
            changed[rng.randrange(8, HEAD_BYTES)] ^= 1 << rng.randrange(8)
            yield memoryview(changed)
        else:
            yield datagram


@settings(max_examples=150)
@given(st.lists(hostile(), max_size=30), st.integers(0, 2**32), parities)
def test_no_datagram_does_more_than_be_refused_and_what_is_held_stays_bounded(strange, seed, parity):
    rng = random.Random(seed)
    to = Receiving(group=5, parity=parity)
    sent = {}
    queue = [memoryview(each) for each in strange]
    for number in range(1, 8):
        sent[number] = body(rng.randrange(LIMIT), number)
        cut = Cut(len(sent[number]), SIZE, 5 if parity else 0, parity)
        queue += disturbed(rng, fragments(number, sent[number], cut))
    rng.shuffle(queue)
    for at, datagram in enumerate(queue):
        to.take(datagram, at * 1e-3)
        assert 0 <= to.held == len(to.inbox) <= MESSAGES
    to.inbox.ended([head.number for head in map(parsed, queue) if head], 1.0)
    to.inbox.expire(1e9)
    assert to.held == 0
    numbers = [number for number, _ in to.whole]
    assert len(numbers) == len(set(numbers))


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        found = parse(memoryview(data))
    except MessageError:
        return
    assert LAYOUT.pack(*found) == data[:HEAD_BYTES]
    if found.kind in (heads.ASK, heads.ANSWER):
        assert heads.packed(heads.numbers(memoryview(data))) == data[HEAD_BYTES:]


def test_a_message_that_no_memory_was_announced_for_takes_none():
    to = Receiving()
    with pytest.raises(MessageError, match="at most 5000 were announced"):
        to.inbox.take(Head(TOKEN, MESSAGE, 0, 0, SIZE, 0, 1, 2**31, 0), memoryview(bytes(SIZE)), 0.0)
    assert to.held == 0


# What is under way ---------------------------------------------------------------------------------------


def test_a_place_is_free_when_the_worker_is_done_or_has_nothing_or_three_later_ones_are_done():
    flight = Flight()
    for _ in range(6):
        flight.sent(flight.begin(b"x"), 1.0)
    assert flight.placed == 6
    assert flight.done(4)
    assert flight.placed == 4  # 4 itself, and 1, which three were sent after
    flight.gone([2, 77], 2.0)
    assert flight.placed == 3
    assert not flight.done(4)
    assert flight.done(1)  # its reply comes all the same
    assert flight.placed == 3


def test_what_is_gone_is_lost_after_a_while_unless_its_reply_is_coming():
    flight = Flight()
    for _ in range(4):
        flight.sent(flight.begin(b"x"), 1.0)
    assert flight.quiet(0.9) == []
    assert flight.quiet(1.0) == [1, 2, 3, 4]
    flight.gone([1, 3], 2.0)
    assert flight.quiet(1.0) == [2, 4]
    assert flight.lost(1.9, ()) == []
    assert [number for number, _ in flight.lost(2.0, {3})] == [1]
    assert 1 not in flight
    assert 3 in flight
    assert len(flight.clear()) == 3
    assert (flight.placed, len(flight)) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from(["begin", "done", "gone", "lost"]), st.integers(1, 12)), max_size=60)
)
def test_places_are_never_more_than_messages_and_never_below_none(steps):
    flight = Flight()
    for now, (step, number) in enumerate(steps, 1):
        if step == "begin":
            flight.sent(flight.begin(b""), now)
        elif step == "done":
            flight.done(number)
        elif step == "gone":
            flight.gone([number], now)
        else:
            flight.lost(now - 2, ())
        assert 0 <= flight.placed <= len(flight)


# Rows ----------------------------------------------------------------------------------------------------


class Piece:
    """Stands for a socket whose last `receive` brought these datagrams in one piece."""

    def __init__(self, datagrams):
        self.buffer = memoryview(b"".join(datagrams))
        self.received = (self.buffer.nbytes, datagrams[0].nbytes, None)


@given(sizes, groups, parities, st.randoms(use_true_random=False))
def test_rows_of_datagrams_are_taken_like_single_ones(nbytes, group, parity, choose):
    cut = Cut(nbytes, SIZE, group if parity else 0, parity)
    message = body(nbytes)
    one_by_one, in_rows = (Receiving(group=group, parity=parity) for _ in range(2))
    left = [each for each in fragments(1, message, cut) * 2 if choose.random() < 0.9]
    while left:
        count = choose.randrange(1, 12)
        # A piece ends with the first that is shorter, as the kernel's do.
        short = next((at + 1 for at, each in enumerate(left) if each.nbytes < left[0].nbytes), count)
        part = left[: min(count, short)]
        part = part[: next((at for at, each in enumerate(part) if each.nbytes > part[0].nbytes), len(part))]
        left = left[len(part) :]
        piece = Piece(part)
        for head, datagrams, number in arrivals(piece, piece.received, TOKEN_BYTES, in_rows.counts):
            found = in_rows.inbox.arrived(head, datagrams, number, 0.0)
            if found is not None:
                in_rows.whole.append((found.number, bytes(found.buffer[: found.total])))
                in_rows.room.give(found.buffer)
        for datagram in part:
            one_by_one.take(datagram)
    assert in_rows.whole == one_by_one.whole
    assert in_rows.counts == one_by_one.counts
    assert in_rows.held == one_by_one.held == len(in_rows.inbox)


@settings(max_examples=150)
@given(
    st.lists(hostile().map(lambda data: data.ljust(130, b"x")[:130]), min_size=4, max_size=9),
    st.integers(0, 9),
)
def test_hostile_rows_are_refused_like_single_ones(strange, repeats):
    # The first one again and again, with numbers that follow each other: what a row looks like.
    for at in range(repeats):
        head = LAYOUT.unpack_from(strange[0])
        strange.append(LAYOUT.pack(*head[:8], (head[8] + at) % 2**32, *head[9:]) + strange[0][HEAD_BYTES:])
    to = Receiving()
    for first in range(0, len(strange), 4):
        piece = Piece([memoryview(each) for each in strange[first : first + 4]])
        for head, datagrams, count in arrivals(piece, piece.received, TOKEN_BYTES, to.counts):
            try:
                found = to.inbox.arrived(head, datagrams, count, 0.0)
            except MessageError:
                continue
            if found is not None:
                to.room.give(found.buffer)
        assert 0 <= to.held == len(to.inbox) <= MESSAGES
