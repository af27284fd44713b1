"""A pipeline's rows: hop after hop without a gap, every message in one place, whatever was lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_chain import FIRST_SEQ, US, Chain

from benchkit.analysis.hops import folded, of_hop, path
from benchkit.analysis.ledger import end_ns, latency_ns, phases_ns
from benchkit.engine.chain_join import join_chain
from benchkit.records.samples import PHASES, Status

TREES = ((-1,), (-1, 0), (-1, 0, 1), (-1, 0, 0), (-1, 0, 1, 1), (-1, 0, 0, 1, 2))
MESSAGES = 12


@st.composite
def chains(draw, *, trouble: bool):
    after = draw(st.sampled_from(TREES))
    workers = [draw(st.integers(1, 3)) for _ in after]
    spots = st.sets(st.tuples(st.integers(0, len(after) - 1), st.integers(0, MESSAGES - 1)), max_size=3)
    seed = draw(st.integers(0, 1 << 20))
    rng = np.random.default_rng(seed)
    times = rng.integers(10 * US, 400 * US, (len(after), MESSAGES))
    wrong = {name: draw(spots) for name in ("fails", "lost", "refused", "twice")} if trouble else {}
    return Chain(after, workers, lambda hop, number: int(times[hop, number]), seed, **wrong)


def due(gap_us: int = 150) -> list[int]:
    return [1_000_000 + number * gap_us * US for number in range(MESSAGES)]


@settings(max_examples=60, deadline=None)
@given(chains(trouble=False))
def test_hops_add_up_to_the_message(chain):
    rows = chain.joined(due()).samples
    whole = folded(rows, chain.after)
    assert (rows["status"] == Status.DELIVERED).all() and (whole["status"] == Status.DELIVERED).all()
    assert len(whole) == MESSAGES and len(rows) == MESSAGES * len(chain.after)
    leaves = [hop for hop in range(len(chain.after)) if hop not in chain.after]
    for number in range(MESSAGES):
        own = {
            int(row["hop"]): rows[at : at + 1]
            for at, row in enumerate(rows)
            if row["seq"] == FIRST_SEQ + number
        }
        for hop, before in enumerate(chain.after):
            if before >= 0:
                assert own[hop]["due"] == own[before]["finished"]
        last = max(leaves, key=lambda leaf: int(own[leaf]["finished"][0]))
        way = [own[hop] for hop in path(chain.after, last)]
        latency = int(own[last]["finished"][0] - own[0]["due"][0])
        # Exactly: along the critical path the hops' latencies, and their phases, are the message's.
        assert (
            latency
            == latency_ns(whole[number : number + 1])[0]
            == sum(int(latency_ns(row)[0]) for row in way)
        )
        phases = sum(phases_ns(row)[0] for row in way)
        waited = sum(int(phases_ns(row)[0][0]) for row in way[1:])
        phases[PHASES.index("lateness")] -= waited
        phases[PHASES.index("send")] += waited
        assert phases_ns(whole[number : number + 1])[0].tolist() == phases.tolist()
        assert phases.sum() == latency


@settings(max_examples=60, deadline=None)
@given(chains(trouble=True), st.booleans())
def test_every_message_ends_in_one_place(chain, gave_up):
    joined = chain.joined(due(), gave_up=gave_up)
    rows, whole = joined.samples, folded(joined.samples, chain.after)
    assert whole["seq"].tolist() == list(range(FIRST_SEQ, FIRST_SEQ + MESSAGES))
    missing = Status.PENDING if gave_up else Status.LOST
    for number in range(MESSAGES):
        fates = set()
        reached = {}
        for hop, before in enumerate(chain.after):
            reached[hop] = before < 0 or reached[before] == Status.DELIVERED
            own = rows[(rows["seq"] == FIRST_SEQ + number) & (rows["hop"] == hop)]
            assert len(own) == reached[hop]
            if not reached[hop]:
                reached[hop] = Status.LOST
                continue
            spot = (hop, number)
            fate = (
                Status.REJECTED
                if spot in chain.refused
                else missing
                if spot in chain.lost
                else (Status.DEAD_LETTERED if spot in chain.fails else Status.DELIVERED)
            )
            reached[hop] = fate
            assert own["status"][0] == fate
            fates.add(fate)
        order = [Status.DEAD_LETTERED, Status.LOST, Status.REJECTED, Status.PENDING, Status.DELIVERED]
        assert whole["status"][number] == min(fates, key=order.index)
        assert bool(whole["finished"][number]) == (fates == {Status.DELIVERED})
    assert joined.unexpected == 0
    done = whole[whole["status"] == Status.DELIVERED]
    assert (phases_ns(done).sum(axis=1) == latency_ns(done)).all()


def test_a_message_that_came_twice_is_counted_where_it_did_and_goes_on_once():
    chain = Chain((-1, 0, 1), (2, 1, 2), lambda hop, number: 50 * US, twice={(1, 3)})
    joined = chain.joined(due())
    # Received twice, it was handed on twice.
    assert joined.duplicated == 2
    assert (folded(joined.samples, chain.after)["status"] == Status.DELIVERED).all()
    assert len(joined.samples) == 3 * MESSAGES


def test_a_worker_that_died_in_the_middle_leaves_whole_latencies_of_what_arrived():
    chain = Chain((-1, 0, 1), (1, 2, 1), lambda hop, number: 100 * US, died={(1, 0)})
    joined = chain.joined(due(), gave_up=True)
    whole = folded(joined.samples, chain.after)
    assert joined.unexpected == 0
    assert (whole["status"] == Status.DELIVERED).all()
    assert (of_hop(joined.samples, 1)["finished"] == 0).sum() == MESSAGES - len(chain.tables[1][1]) > 0
    ends = end_ns(lambda name: of_hop(joined.samples, 2)[name])
    assert (latency_ns(whole) == ends - whole["due"]).all()
    assert (phases_ns(whole).sum(axis=1) == latency_ns(whole)).all()


def test_stamps_that_run_backwards_in_a_hop_show_in_the_message():
    chain = Chain((-1, 0, 1), (1, 1, 1), lambda hop, number: 100 * US)
    rows = chain.joined(due()).samples
    wrong = np.flatnonzero(rows["hop"] == 1)[4]
    rows["decoded"][wrong] = rows["started"][wrong] + 7
    whole = folded(rows, chain.after)
    missed = latency_ns(whole) - phases_ns(whole).sum(axis=1)
    assert np.flatnonzero(missed).tolist() == [4]
    assert missed[4] == -7


def test_warm_up_is_the_message_s_whatever_the_hop():
    rows = Chain((-1, 0, 0), (1, 1, 1), lambda hop, number: US).joined(due(), warmup=3).samples
    assert set(rows["seq"][rows["warmup"]]) == {FIRST_SEQ, FIRST_SEQ + 1, FIRST_SEQ + 2}
    assert rows["warmup"].sum() == 9


def test_nothing_scheduled_is_nothing_folded():
    chain = Chain((-1, 0), (1, 1), lambda hop, number: US)
    assert not len(chain.joined([]).samples)
    assert not len(folded(chain.joined([]).samples, chain.after))


@pytest.mark.parametrize("seed", range(3))
def test_what_one_sender_sent_in_order_and_a_worker_got_otherwise_is_reordered(seed):
    chain = Chain((-1, 0), (1, 1), lambda hop, number: 10 * US, seed)
    assert chain.joined(due()).reordered == 0
    producer, told = chain.play(due())
    table = {name: np.frombuffer(raw, np.int64).copy() for name, raw in told[1][0]["columns"].items()}
    swapped = [0, 2, 1, *range(3, MESSAGES)]
    told[1][0]["columns"] = {name: column[swapped].tobytes() for name, column in table.items()}
    again = join_chain(
        producer,
        told,
        chain.names,
        chain.after,
        block=0,
        first_seq=FIRST_SEQ,
        warmup_messages=0,
        payload_bytes=1,
        gave_up=False,
    )
    assert again.reordered == 1
