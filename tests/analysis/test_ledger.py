import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from synthetic import block_samples, stamped

from benchkit.analysis.ledger import latency_ns, phases_ns, select, service_ns
from benchkit.analysis.measure import measure
from benchkit.records.samples import PHASES, SAMPLE, Status

gap = st.integers(0, 10**12)


@st.composite
def plausible(draw: st.DrawFn) -> np.ndarray:
    """Rows with stamps in any order that one clock can give: `sent`, `asked` and `replied` float."""
    rows = np.zeros(draw(st.integers(1, 6)), SAMPLE)
    for row in rows:
        row["due"] = draw(st.integers(1, 2**60))
        row["taken"] = row["due"] + draw(gap)
        row["encoded"] = row["taken"] + draw(gap)
        row["received"] = row["encoded"] + draw(gap)
        row["sent"] = draw(st.sampled_from([0, row["encoded"] + draw(gap)]))
        row["asked"] = draw(st.sampled_from([0, draw(st.integers(1, int(row["received"])))]))
        row["decoded"] = row["received"] + draw(gap)
        row["started"] = row["decoded"] + draw(gap)
        row["finished"] = row["started"] + draw(gap)
        if draw(st.booleans()):
            if draw(st.booleans()):  # its worker died with the stamps
                for name in ("asked", "received", "decoded", "started", "finished"):
                    row[name] = 0
                row["returned"] = row["sent"] + draw(gap) if row["sent"] else row["encoded"] + draw(gap)
                row["status"] = Status.DELIVERED
                continue
            row["returned"] = row["finished"] + draw(gap)
            row["replied"] = draw(st.sampled_from([0, row["finished"] + draw(gap)]))
        row["status"] = Status.DELIVERED
    return rows


@given(plausible())
def test_phases_are_never_negative_and_add_up_to_the_nanosecond(rows: np.ndarray) -> None:
    phases = phases_ns(rows)
    assert phases.dtype == np.int64
    assert phases.shape == (len(rows), len(PHASES))
    assert (phases >= 0).all()
    assert (phases.sum(axis=1) == latency_ns(rows)).all()
    assert measure(rows).residual_ns == 0


@given(plausible())
def test_service_time_is_the_latency_without_the_lateness(rows: np.ndarray) -> None:
    assert (service_ns(rows) + phases_ns(rows)[:, 0] == latency_ns(rows)).all()


def row(**stamps: int) -> np.ndarray:
    rows = np.zeros(1, SAMPLE)
    base = {
        "due": 100,
        "taken": 110,
        "encoded": 130,
        "sent": 160,
        "received": 200,
        "decoded": 220,
        "started": 225,
    }
    for name, value in (base | {"finished": 300, "replied": 310, "returned": 330} | stamps).items():
        rows[name] = value
    rows["status"] = Status.DELIVERED
    return rows


def phases(rows: np.ndarray) -> dict[str, int]:
    return dict(zip(PHASES, phases_ns(rows)[0].tolist(), strict=True))


def test_queue_is_the_wait_until_the_worker_asked() -> None:
    assert phases(row(asked=150))["queue"] == 0
    assert phases(row(asked=190)) | {"queue": 30, "transit": 10} == phases(row(asked=190))
    assert phases(row(asked=200)) | {"queue": 40, "transit": 0} == phases(row(asked=200))


def test_send_ends_when_the_message_was_received_if_that_came_first() -> None:
    found = phases(row(sent=999))
    assert (found["send"], found["queue"], found["transit"]) == (70, 0, 0)


def test_reply_ends_when_the_reply_was_seen_if_that_came_first() -> None:
    found = phases(row(replied=999))
    assert (found["reply"], found["return"]) == (30, 0)


def test_without_replies_a_message_ends_when_it_was_computed() -> None:
    rows = row(returned=0)
    assert latency_ns(rows)[0] == 200
    assert (phases(rows)["reply"], phases(rows)["return"]) == (0, 0)


def test_a_worker_that_died_with_its_stamps_leaves_the_way_to_transit() -> None:
    rows = row(received=0, decoded=0, started=0, finished=0, replied=0)
    assert phases(rows) == dict.fromkeys(PHASES, 0) | {
        "lateness": 10,
        "encode": 20,
        "send": 30,
        "transit": 170,
    }


def test_stamps_that_run_backwards_leave_a_residual() -> None:
    rows = row(received=120, sent=120)  # before it was encoded
    assert (phases_ns(rows) >= 0).all()
    assert measure(rows).residual_ns == 10


def test_known_phases_come_back_exactly() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 10**9, (50, len(PHASES)))
    rows = stamped(truth, np.arange(50) * 10**10 + 1)
    assert (phases_ns(rows) == truth).all()


def test_only_delivered_messages_after_warm_up_count_and_blocks_may_come_in_any_order() -> None:
    rng = np.random.default_rng(1)
    rows = np.concatenate([block_samples(rng, index, count=10, warmup=2) for index in (7, 3)])
    rows["status"][5] = Status.LOST
    chosen = select(rows)
    assert chosen.blocks == (3, 7)
    assert [len(part) for part in chosen.by_block(chosen.column("seq"))] == [8, 7]
    assert (chosen.samples["block"][chosen.rows][:8] == 3).all()


def test_an_empty_cell_has_figures_too() -> None:
    figures = measure(np.zeros(0, SAMPLE))
    assert figures.latency.count == 0
    assert figures.blocks == ()
    assert figures.residual_ns == 0
