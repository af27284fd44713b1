"""Each code is planted alone and must be the one that is found."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from synthetic import MS, a_cell, a_run

from benchkit.analysis.account import account, fates, open_blocks
from benchkit.analysis.document import document
from benchkit.analysis.validity import CODES, codes
from benchkit.records.run import Failure, Gap, Run
from benchkit.records.samples import STAGE_STAMPS, Status
from benchkit.records.seen import Disturbance, InFlight, LinkSeen, LinkWay, Traffic, Usage

CELL = "shm/raw/camera/100ps"


def found(run: Run) -> dict[str, dict[str, Any]]:
    (cell,) = document(run)["cells"]
    validity = cell["validity"]
    assert validity["valid"] == all(reason["severity"] != "invalid" for reason in validity["reasons"])
    return {reason["code"]: reason for reason in validity["reasons"]}


def enough(**changes: Any) -> Run:
    """A clean run: enough samples for p99.9, so that no note is left."""
    return a_run(count=1800, warmup=10, **changes)


def in_block(run: Run, **changes: Any) -> None:
    run.blocks[1] = dataclasses.replace(run.blocks[1], **changes)


def in_cell(run: Run, **changes: Any) -> None:
    run.cells[0] = dataclasses.replace(run.cells[0], **changes)


def rows(run: Run) -> np.ndarray:
    return run.samples[CELL]


def fate(run: Run, status: int, count: int) -> None:
    own = rows(run)
    own["status"][100 : 100 + count] = status


def dropped_on_purpose(run: Run, drops: dict[str, int]) -> None:
    """They never left, and those that did left late: what was young enough waited for its turn."""
    fate(run, Status.DROPPED, sum(drops.values()))
    own = rows(run)
    for name in (*STAGE_STAMPS, "taken", "encoded", "sent", "returned"):
        own[name][own["status"] == Status.DROPPED] = 0
    shift(run, 2 * MS, own["status"] != Status.DROPPED)
    in_block(run, traffic=Traffic(drops=drops))


def shift(run: Run, late_ns: int, chosen: Any) -> None:
    own = rows(run)
    for name in own.dtype.names:
        if name in (
            "taken",
            "encoded",
            "sent",
            "asked",
            "received",
            "decoded",
            "started",
            "finished",
            "replied",
            "returned",
        ):
            own[name][chosen] += late_ns


def failure(party: str, kind: str, count: int = 1) -> tuple[Failure, ...]:
    return (Failure(party, kind, "it broke", "mend it", "Traceback ...", count),)


def not_measured(run: Run) -> None:
    run.blocks.clear()
    run.samples.clear()


def slow_block(run: Run) -> None:
    rows(run)["returned"][rows(run)["block"] == 2] += MS // 2


def backwards(run: Run) -> None:
    rows(run)["received"][500] = rows(run)["encoded"][500] - 1000
    rows(run)["sent"][500] = rows(run)["received"][500]


def in_blocks(run: Run, chosen: set[int], **changes: Any) -> None:
    run.blocks = [dataclasses.replace(b, **changes) if b.index in chosen else b for b in run.blocks]


def calm(**changes: Any) -> Disturbance:
    return Disturbance(
        **{"spin_ns": (250_000, 251_000), "memcpy_ns": (90_000, 91_000), "elapsed_s": 1.0, **changes}
    )


def slow_spin(run: Run) -> None:
    """Before two blocks of one cell of three, where all else is calm."""
    in_blocks(run, {0, 1, 2}, disturbance=calm())
    in_blocks(run, {1, 2}, disturbance=calm(throttled_s=0.05))


def one_core(run: Run) -> None:
    run.placement.update(producer="core 1", **{"stage-0": "core 2"})
    in_blocks(run, {0, 1, 2}, ran_on={"producer": 1, "stage-0": 2})
    in_blocks(run, {0, 2}, ran_on={"producer": 1, "stage-0": 1})


def over_a_socket(run: Run) -> None:
    in_blocks(run, {1}, claimed={"family": "memory"}, paths={"producer": {"family": "unix"}})


def led(run: Run, delay_us: float) -> None:
    """Through a link that was asked for 10 ms, everything of it, and delayed by so much."""
    spread = {
        "count": 600,
        "mean": delay_us,
        "p50": delay_us,
        "p90": delay_us,
        "p99": delay_us,
        "max": delay_us,
    }
    way = LinkWay(10**9, 600, delay_us=spread)
    delay = dict.fromkeys(("mean", "p50", "p90"), 10_000.0)
    asked = {"delay_us": delay, "jitter_us": 0.0, "rate_bytes_per_s": None}
    in_cell(run, link={"name": "own", "side": "producer", "up": asked, "down": asked})
    in_blocks(run, {0, 1, 2}, links=(LinkSeen("producer", way, way, connections=1, elapsed_s=1.0),))


INVALID: dict[str, Callable[[Run], None]] = {
    "skipped": lambda run: in_cell(run, skipped="no /dev/shm", skipped_remedy="mount it"),
    "not-measured": not_measured,
    "party-died": lambda run: in_block(run, failures=failure("stage-0", "PartyError")),
    "stage-failed": lambda run: in_block(run, failures=failure("stage-0", "ValueError", 60)),
    "account-not-closed": lambda run: in_block(run, scheduled=1801),
    "drain-timed-out": lambda run: fate(run, Status.PENDING, 3),
    "undelivered": lambda run: fate(run, Status.DROPPED, 60),
    "corrupted": lambda run: in_block(run, corrupted=1),
    "wrong-replies": lambda run: in_block(run, wrong_replies=1, checked_replies=1800),
    "unexpected-arrivals": lambda run: in_block(run, unexpected=1),
    "duplicated": lambda run: in_block(run, duplicated=1),
    "reordered": lambda run: in_block(run, reordered=2),
    "stamps-disagree": backwards,
    "little-violated": lambda run: in_block(run, in_flight=InFlight(1800, 1800), handled=1800),
    "source-too-slow": lambda run: in_block(run, starved=60),
    "offered-load-not-reached": lambda run: shift(run, 2 * MS, slice(100, 200)),
    "warm-up-never-ended": lambda run: in_blocks(run, {0, 1}, warmup_settled=False),
    "machine-disturbed": slow_spin,
    "core-shared": one_core,
    "path-not-as-claimed": over_a_socket,
}
NOTES: dict[str, Callable[[Run], None]] = {
    "stage-failed": lambda run: in_block(run, failures=failure("stage-0", "ValueError", 3)),
    "undelivered": lambda run: fate(run, Status.DROPPED, 3),
    "dropped-on-purpose": lambda run: dropped_on_purpose(run, {"latest-only": 60}),
    "wrong-replies": lambda run: (
        in_cell(run, lossy=True),
        in_block(run, wrong_replies=9, checked_replies=9),
    )[0],
    "replies-unchecked": lambda run: run.scenario.update(checks={"replies": True}),
    "foreign-requests": lambda run: in_block(run, foreign=2),
    "source-too-slow": lambda run: in_block(run, starved=2),
    "blocks-disagree": slow_block,
    "offered-load-not-reached": lambda run: shift(run, 2 * MS, slice(100, 155)),  # 1.1%: chance explains it
    "core-shared": lambda run: run.environment.update(cores=1),
    "warm-up-never-ended": lambda run: in_block(run, warmup_settled=False),
    "machine-disturbed": lambda run: in_block(run, disturbance=calm(thermal_events=3)),
    "link-not-as-asked": lambda run: led(run, 15_000.0),
    "near-floor": lambda run: run.floor.null_us.update(p50=2000.0),
    "trace-damaged": lambda run: in_cell(run, gaps=(Gap("trace-damaged", "a file is cut short"),)),
    "trace-not-ended": lambda run: in_cell(run, gaps=(Gap("trace-not-ended", "a process was killed"),)),
    "trace-unmatched": lambda run: in_cell(run, gaps=(Gap("trace-unmatched", "nobody's"),)),
    "trace-cut": lambda run: in_cell(run, gaps=(Gap("trace-cut", "overwritten", "raise it"),)),
}


def test_a_clean_run_has_no_reason_at_all() -> None:
    assert found(enough()) == {}


def test_a_link_that_did_what_it_was_asked_to_do_is_none_either() -> None:
    run = enough()
    led(run, 10_400.0)
    assert found(run) == {}


@pytest.mark.parametrize("code", INVALID)
def test_planted_and_found_as_invalid(code: str) -> None:
    run = enough()
    INVALID[code](run)
    reasons = found(run)
    assert set(reasons) == {code}
    assert reasons[code]["severity"] == "invalid"
    assert reasons[code]["message"]
    assert reasons[code]["remedy"]


@pytest.mark.parametrize("code", NOTES)
def test_planted_and_found_as_a_note(code: str) -> None:
    run = enough()
    NOTES[code](run)
    reasons = found(run)
    assert set(reasons) == {code}
    assert reasons[code]["severity"] == "note"
    assert reasons[code]["remedy"]


def test_what_a_transport_drops_by_itself_was_not_asked_for() -> None:
    run = enough()
    fate(run, Status.DROPPED, 260)
    in_block(run, traffic=Traffic(drops={"latest-only": 20, "transport": 240}))
    reasons = found(run)
    assert reasons["undelivered"]["severity"] == "invalid"
    assert "(240 dropped)" in reasons["undelivered"]["message"]
    assert "(20 latest-only)" in reasons["dropped-on-purpose"]["message"]


def test_a_full_servers_refusals_are_what_was_asked_for_where_nothing_is_tried_again() -> None:
    run = enough()
    fate(run, Status.REJECTED, 260)
    in_block(run, traffic=Traffic(refused=260))
    assert "(260 refused)" in found(run)["dropped-on-purpose"]["message"]
    assert "undelivered" not in found(run)
    in_cell(run, parameters={"flow": {"policy": "block", "retry": {"attempts": 2}}})
    assert found(run)["undelivered"]["severity"] == "invalid"


def test_too_few_samples_for_a_percentile_is_a_note_and_for_the_median_invalid() -> None:
    reasons = found(a_run(count=105, warmup=5))
    assert reasons["too-few-samples"]["severity"] == "note"
    assert "p99 (needs 459)" in reasons["too-few-samples"]["message"]
    reasons = found(a_run(count=3, warmup=1))
    assert reasons["too-few-samples"]["severity"] == "invalid"
    assert "p50 (needs 7)" in reasons["too-few-samples"]["message"]


def test_fewer_than_three_blocks_are_noted() -> None:
    assert found(a_run(rounds=2, count=3000))["few-blocks"]["severity"] == "note"


def test_a_stage_that_grows_while_it_runs_is_a_note() -> None:
    run = a_run(rounds=12, count=500, warmup=10)
    assert "drift" not in found(run)
    run.blocks = [
        dataclasses.replace(
            block, usage={"stage": Usage(200 * MS, 0, rss_bytes=90_000_000 + 3_000_000 * block.index)}
        )
        for block in run.blocks
    ]
    reason = found(run)["drift"]
    assert reason["severity"] == "note"
    assert "memory of the stage grew" in reason["message"]


ELSEWHERE = {
    "few-blocks", "too-few-samples", "effect-below-noise", "search-unfinished", "search-given-up", "no-level-keeps",
    "drift",
}  # fmt: skip
"""Planted above, in test_noise.py, where it takes two cells, and in test_capacity.py: what a search says of itself."""


def test_every_code_is_planted_somewhere_and_has_a_remedy_and_a_line_in_the_table() -> None:
    assert set(CODES) == INVALID.keys() | NOTES.keys() | ELSEWHERE
    assert all(kind.remedy for kind in CODES.values())
    rows = [line.split("|")[1:3] for line in codes.__doc__.splitlines() if line.startswith("| ")][1:]
    assert {code.strip(): usual.strip() for code, usual in rows} == {
        code: kind.severity for code, kind in CODES.items()
    }


def test_a_loss_breaks_every_guarantee_but_at_most_once() -> None:
    run = enough()
    fate(run, Status.LOST, 1)
    assert found(run)["undelivered"]["severity"] == "note"
    in_cell(run, delivery="at-least-once")
    assert found(run)["undelivered"]["severity"] == "invalid"
    assert "at-least-once" in found(run)["undelivered"]["message"]


def test_a_rejection_is_a_fate_and_no_death() -> None:
    run = enough()
    fate(run, Status.REJECTED, 60)
    in_block(run, failures=failure("producer", "Rejected", 60))
    assert set(found(run)) == {"undelivered"}
    assert "it broke" in found(run)["undelivered"]["message"]


def test_what_was_under_way_when_a_party_died_is_no_second_reason() -> None:
    run = enough()
    fate(run, Status.PENDING, 3)
    in_block(run, drained=False, failures=failure("stage-0", "PartyError"))
    assert set(found(run)) == {"party-died"}


def test_duplicates_are_fine_where_they_are_promised() -> None:
    run = enough()
    in_cell(run, delivery="at-least-once")
    in_block(run, duplicated=4)
    assert found(run) == {}


def test_reordering_is_fine_with_two_workers() -> None:
    run = enough()
    in_cell(run, workers=2)
    in_block(run, reordered=4)
    assert found(run) == {}


def test_a_slow_pace_is_seen_even_when_no_single_message_is_late() -> None:
    run = enough()
    own = rows(run)
    late = (np.arange(len(own)) % 1800) * 130_000  # 10 ms apart becomes 10.13 ms
    for name in (
        "due",
        "taken",
        "encoded",
        "sent",
        "asked",
        "received",
        "decoded",
        "started",
        "finished",
        "replied",
        "returned",
    ):
        own[name] += late if name != "due" else 0
    assert "99%" in found(run)["offered-load-not-reached"]["message"]


@pytest.mark.parametrize(("way_ms", "severity"), [(10, "invalid"), (60, "note")])
def test_lateness_that_is_little_of_the_latency_is_told_and_refuses_nothing(
    way_ms: int, severity: str
) -> None:
    run = enough()
    rows(run)["returned"] += way_ms * MS
    shift(run, 2 * MS, slice(100, 300))
    assert found(run)["offered-load-not-reached"]["severity"] == severity


def test_a_closed_loop_offers_nothing_to_miss() -> None:
    run = enough()
    run.blocks = [dataclasses.replace(block, offered_per_s=None) for block in run.blocks]
    shift(run, 2 * MS, slice(0, 60))
    assert found(run) == {}


def test_messages_that_never_left_are_late() -> None:
    run = enough()
    own = rows(run)
    for name in (
        "taken",
        "encoded",
        "sent",
        "asked",
        "received",
        "decoded",
        "started",
        "finished",
        "replied",
        "returned",
    ):
        own[name][100:160] = 0
    own["status"][100:160] = Status.REJECTED
    assert {"offered-load-not-reached", "undelivered"} == set(found(run))


def test_equal_blocks_are_rarely_said_to_disagree() -> None:
    said = sum("blocks-disagree" in found(a_run(seed=seed, noise=0.5, count=60)) for seed in range(60))
    assert said <= 3


def test_a_broker_counts_as_a_party() -> None:
    run = enough()
    run.environment["cores"] = 2
    assert found(run) == {}
    run.blocks = [
        dataclasses.replace(block, usage={**block.usage, "broker": Usage(1, 1)}) for block in run.blocks
    ]
    assert set(found(run)) == {"core-shared"}


def test_the_account_counts_each_fate_and_closes() -> None:
    run = a_run()
    own = rows(run)
    for at, status in enumerate(Status):
        own["status"][at] = status
    kept = account(fates(own), run.blocks)
    assert kept["scheduled"] == len(own) == sum(kept[name] for name in (
        "delivered", "dropped", "rejected", "dead_lettered", "lost", "pending"))  # fmt: skip
    assert [kept[name] for name in ("dropped", "rejected", "dead_lettered", "lost", "pending")] == [1] * 5
    assert open_blocks(fates(own), run.blocks) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda own: own["status"].__setitem__(0, 6),
        lambda own: own["status"].__setitem__(0, -1),
        lambda own: own["seq"].__setitem__(1, 0),
        lambda own: own["block"].__setitem__(0, 1),
    ],
)
def test_an_account_does_not_close_over(spoil: Callable[[np.ndarray], None]) -> None:
    run = a_run()
    spoil(rows(run))
    assert 0 in open_blocks(fates(rows(run)), run.blocks)


def test_samples_of_no_known_block_are_strangers() -> None:
    run = a_run()
    rows(run)["block"][-1] = 99
    assert open_blocks(fates(rows(run)), run.blocks) == [2, 99]


def test_two_cells_do_not_share_reasons() -> None:
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps")])
    run.blocks[0] = dataclasses.replace(run.blocks[0], corrupted=1)
    first, second = document(run)["cells"]
    assert (first["validity"]["valid"], second["validity"]["valid"]) == (False, True)
