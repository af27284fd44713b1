"""Accounts of fault trials: Jepsen's sets, and a planted bug of each class is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fault_trials import AT_LEAST_ONCE, AT_MOST_ONCE, KILL, S, control, simulated, stranger, without
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.recovery import accounted, judged
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations, blank

CLEAN = simulated([(0.0, 0.5)], after_s=3.0, before_s=1.0)
MIDDLE = len(CLEAN.operations) // 2
EXACTLY = {**AT_LEAST_ONCE, "delivery": "exactly-once-observed"}


def held(rows: Operations, **trial: Any) -> bool | None:
    own = replace(CLEAN.trial, **trial)
    return judged(own, accounted(own, rows)).held


def test_a_clean_trial_keeps_every_guarantee() -> None:
    for declared in (AT_LEAST_ONCE, AT_MOST_ONCE, EXACTLY):
        own = replace(CLEAN.trial, capabilities=declared)
        account = accounted(own, CLEAN.operations)
        assert judged(own, account).held is True
        assert (account.lost, account.duplicated, account.contradictions) == (0, 0, 0)
        assert account.attempted == account.acknowledged == account.delivered == len(CLEAN.operations)


def test_the_caught_are_those_that_were_under_way_while_the_fault_was_on() -> None:
    account = accounted(CLEAN.trial, CLEAN.operations)
    rows, trial = CLEAN.operations, CLEAN.trial
    back = int(np.sort(rows["finished"])[np.searchsorted(np.sort(rows["finished"]), trial.healed_ns)])
    wanted = (rows["taken"] <= back) & (rows["finished"] >= trial.injected_ns)
    assert account.caught == int(wanted.sum())
    assert 100 <= account.caught <= 103  # half a second at 200 a second


# Planted bugs ------------------------------------------------------------------------------------------


def lost(rows: Operations) -> Operations:
    return without(rows, 7)


def doubled(rows: Operations) -> Operations:
    changed = rows.copy()
    changed["deliveries"][7] = 2
    return changed


def invented(rows: Operations) -> Operations:
    return stranger(rows, 10**9, int(rows["finished"][7]))


def torn(rows: Operations) -> Operations:
    changed = rows.copy()
    changed["torn"][7] = changed["deliveries"][7] = 1
    return changed


def swapped(rows: Operations) -> Operations:
    changed = rows.copy()
    for name in ("received", "started", "finished", "acked"):
        changed[name][[7, 8]] = changed[name][[8, 8]] + [1000, 0]
    return changed


def undead(rows: Operations) -> Operations:
    """Refused, and delivered all the same."""
    changed = rows.copy()
    changed["rejected"][7], changed["confirmed"][7] = changed["sent"][7], 0
    return changed


def uncounted(rows: Operations) -> Operations:
    changed = rows.copy()
    changed["deliveries"][7] = 0
    return changed


def vanished(rows: Operations) -> Operations:
    """There is no row of it at all."""
    return np.delete(rows, 7)


def twice(rows: Operations) -> Operations:
    """A number with two rows."""
    return np.concatenate([rows, rows[7:8]])


def backwards(rows: Operations) -> Operations:
    changed = rows.copy()
    changed["finished"][7] = changed["received"][7] - 1
    return changed


PLANTED: list[tuple[Callable[[Operations], Operations], str, str]] = [
    (lost, "lost", "acknowledged and lost: 1"),
    (invented, "unexpected", "arrived and never sent: 1"),
    (torn, "torn", "arrived torn: 1"),
    (swapped, "overtaken", "overtaken by later ones: 1"),
    (undead, "disowned", "refused and delivered all the same: 1"),
    (uncounted, "contradictions", "does not close"),
    (vanished, "contradictions", "does not close"),
    (twice, "contradictions", "does not close"),
    (backwards, "contradictions", "does not close"),
]


@pytest.mark.parametrize(("plant", "count", "words"), PLANTED, ids=[each[0].__name__ for each in PLANTED])
@pytest.mark.parametrize(
    "declared", [AT_LEAST_ONCE, AT_MOST_ONCE, EXACTLY], ids=lambda each: each["delivery"]
)
def test_a_planted_bug_is_caught(
    plant: Callable[[Operations], Operations], count: str, words: str, declared: dict[str, str]
) -> None:
    own = replace(CLEAN.trial, capabilities=declared)
    account = accounted(own, plant(CLEAN.operations))
    verdict = judged(own, account)
    assert getattr(account, count) >= 1
    assert verdict.held is False
    # What an at-most-once transport lost long before the fault had nothing to do with it.
    out_of_reach = count == "lost" and declared is AT_MOST_ONCE
    said = "lost out of the fault's reach: 1" if out_of_reach else words
    assert any(said in breach for breach in verdict.breaches), verdict.breaches


def test_a_double_is_caught_where_nothing_may_come_twice() -> None:
    rows = doubled(CLEAN.operations)
    assert accounted(CLEAN.trial, rows).duplicated == 1
    assert held(rows, capabilities=AT_LEAST_ONCE) is True
    assert held(rows, capabilities=AT_MOST_ONCE) is False
    assert held(rows, capabilities=EXACTLY) is False


def test_order_is_judged_only_where_it_is_declared_and_no_fault_had_hold_of_it() -> None:
    assert held(swapped(CLEAN.operations), capabilities={**AT_LEAST_ONCE, "ordering": "none"}) is True
    caught = int(np.flatnonzero(CLEAN.operations["taken"] >= CLEAN.trial.injected_ns)[3])
    rows = CLEAN.operations.copy()
    for name in ("received", "started", "finished", "acked"):
        rows[name][[caught, caught + 1]] = rows[name][[caught + 1, caught + 1]] + [1000, 0]
    assert accounted(CLEAN.trial, rows).overtaken == 0


def test_two_workers_do_not_overtake_each_other() -> None:
    rows = swapped(CLEAN.operations)
    rows["worker"][7] = 1
    assert accounted(CLEAN.trial, rows).overtaken == 0


# What may be lost ---------------------------------------------------------------------------------------


def caught_at(trial: Trial) -> int:
    return int(np.flatnonzero(CLEAN.operations["taken"] >= trial.injected_ns)[5])


def test_at_most_once_may_lose_what_was_under_way_and_nothing_else() -> None:
    rows = without(CLEAN.operations, caught_at(CLEAN.trial))
    assert held(rows, capabilities=AT_MOST_ONCE) is True
    assert held(rows, capabilities=AT_LEAST_ONCE) is False
    before = without(CLEAN.operations, 3)
    assert held(before, capabilities=AT_MOST_ONCE) is False
    after = without(CLEAN.operations, len(CLEAN.operations) - 3)
    assert held(after, capabilities=AT_MOST_ONCE) is False


@pytest.mark.parametrize(
    ("durability", "party", "fault", "kept"),
    [
        ("memory", "stage-0", KILL, False),
        ("memory", "broker", {**KILL, "party": "broker"}, True),
        ("disk", "broker", {**KILL, "party": "broker"}, False),
        ("disk", "broker", {"kind": "restart", "keep_data": False}, True),
        ("process", "producer", {**KILL, "party": "producer"}, True),
    ],
)
def test_at_least_once_may_lose_only_what_died_with_its_memory(
    durability: str, party: str, fault: dict[str, Any], kept: bool
) -> None:
    death = {"party": party, "at_ns": CLEAN.trial.injected_ns + 1, "how": "SIGKILL"}
    rows = without(CLEAN.operations, caught_at(CLEAN.trial))
    declared = {**AT_LEAST_ONCE, "durability": durability}
    assert held(rows, capabilities=declared, deaths=(death,), fault=fault) is kept
    # What nothing had hold of may not be lost for any reason.
    assert held(without(CLEAN.operations, 3), capabilities=declared, deaths=(death,), fault=fault) is False


def test_a_stopped_broker_keeps_its_memory() -> None:
    rows = without(CLEAN.operations, caught_at(CLEAN.trial))
    assert held(rows, fault={"kind": "stop", "party": "broker"}) is False


def test_a_control_may_lose_nothing() -> None:
    calm = control(before_s=1.0, after_s=1.0)
    rows = without(calm.operations, 5)
    own = replace(calm.trial, capabilities=AT_MOST_ONCE)
    assert judged(own, accounted(own, rows)).held is False


def test_what_a_worker_died_with_is_lost_and_told_as_in_hand() -> None:
    rows = CLEAN.operations.copy()
    for name in ("finished", "acked"):
        rows[name][7] = 0
    account = accounted(CLEAN.trial, rows)
    assert (account.lost, account.in_hand, account.stray) == (1, 1, 1)
    assert held(rows) is False


def test_what_the_stage_raised_on_is_delivered() -> None:
    rows = CLEAN.operations.copy()
    rows["failed"][7], rows["finished"][7], rows["acked"][7] = rows["finished"][7], 0, 0
    account = accounted(CLEAN.trial, rows)
    assert (account.lost, account.failed) == (0, 1)
    assert held(rows) is True


# Unknown ------------------------------------------------------------------------------------------------


def test_without_a_drain_what_is_missing_is_unknown_and_nothing_is_lost() -> None:
    rows = without(CLEAN.operations, 7)
    account = accounted(replace(CLEAN.trial, drained=False), rows)
    assert (account.lost, account.unknown, account.drained_s) == (0, 1, None)
    assert held(rows, drained=False) is None
    # All is there: nothing can be lost any more. But something may still come twice.
    assert held(CLEAN.operations, drained=False) is True
    assert held(CLEAN.operations, drained=False, capabilities=AT_MOST_ONCE) is None
    assert held(torn(CLEAN.operations), drained=False) is False


def test_without_a_declaration_nothing_is_held() -> None:
    assert held(CLEAN.operations, capabilities={}) is None


def test_recovered_is_neither_acknowledged_nor_refused_and_delivered() -> None:
    rows = CLEAN.operations.copy()
    rows["confirmed"][[5, 6]] = 0
    account = accounted(CLEAN.trial, without(rows, 6))
    assert (account.recovered, account.lost, account.acknowledged) == (1, 0, len(rows) - 2)
    answered = rows.copy()
    answered["returned"][5], answered["replies"][5] = answered["finished"][5] + 1, 1
    assert accounted(CLEAN.trial, answered).recovered == 1  # 6


def test_an_empty_trial_has_an_account() -> None:
    account = accounted(CLEAN.trial, blank(0))
    assert (account.attempted, account.contradictions, account.delayed_most_s) == (0, 0, None)


def test_delayed_are_those_beyond_the_limit_that_were_done_after_the_injection() -> None:
    found = accounted(CLEAN.trial, CLEAN.operations, limit_ns=0.1 * S)
    late = CLEAN.operations["finished"] - CLEAN.operations["due"] > 0.1 * S
    assert found.delayed == int(late.sum()) > 50
    assert found.delayed_most_s == pytest.approx(0.5, abs=0.01)


# Jepsen's sets, by their definitions ---------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(0, 3),
)
def test_the_sets_are_those_of_total_queue(history: list[tuple[bool, bool, int]], strangers: int) -> None:
    """As multisets: attempts, enqueues that returned ok, dequeues that returned ok."""
    rows = blank(len(history))
    rows["seq"] = np.arange(len(history))
    rows["due"] = rows["taken"] = 10 + rows["seq"]
    for at, (acked, _, times) in enumerate(history):
        rows["confirmed"][at] = 1000 if acked else 0
        rows["deliveries"][at] = times
        rows["worker"][at] = 0 if times else -1
        for name in ("received", "finished"):
            rows[name][at] = 2000 if times else 0
    for each in range(strangers):
        rows = stranger(rows, 100 + each, 2000)
    attempts = dict.fromkeys(range(len(history)), 1)
    enqueues = {at: 1 for at, (acked, _, _) in enumerate(history) if acked}
    dequeues = {int(row["seq"]): int(row["deliveries"]) for row in rows if row["deliveries"]}
    account = accounted(CLEAN.trial, rows)
    assert account.lost == sum(1 for each in enqueues if each not in dequeues)
    assert account.unexpected == sum(times for each, times in dequeues.items() if each not in attempts)
    assert account.duplicated == sum(times - 1 for each, times in dequeues.items() if each in attempts)
    assert account.recovered == sum(1 for each in dequeues if each in attempts and each not in enqueues)
    assert account.contradictions == 0
    assert account.attempted == len(attempts)
    closes = (
        account.delivered
        + account.lost
        + sum(1 for at in attempts if at not in dequeues and at not in enqueues)
    )
    assert closes == account.attempted
