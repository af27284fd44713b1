"""The table of rules by facts whose truth is known."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis import verdict as v
from benchkit.analysis.link import Burden
from benchkit.analysis.verdict import Busy, Facts, grade, rules, signs
from benchkit.records.samples import PHASES

LOW = {**dict.fromkeys(PHASES, 100.0), "compute": 101.0}


def facts(phase: str, **changes: object) -> Facts:
    """A message of 7 kB in a pipeline whose machine wakes in 10 us; one phase holds 1 ms of 1.9."""
    mean_us = {**LOW, phase: 1000.0}
    plain = Facts(
        mean_us=mean_us,
        block_means_us=[tuple(mean_us.values())] * 3,
        wire_bytes=7000,
        busy=Busy(0.2, 0.1, 0.1, 0.1),
        stage_work_us=sum(mean_us[name] for name in ("decode", "compute", "reply")),
        cpu_us={"producer": mean_us["encode"] + 20, "stage": 20 + mean_us["decode"] + mean_us["compute"] + 100},
        arrivals_cv=0.1, service_cv=0.1, floor_one_way_us=15.0, wake_us=10.0, null_us=60.0, memcpy_bytes_per_s=1e10,
        p50_us=1900.0,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]  # options as a test names them


BIG = {"wire_bytes": 6_000_000, "floor_one_way_us": 400.0}
BUSY_STAGE = Busy(0.95, 0.1, 0.1, 0.1)
CASES = [
    ("encode", {}, "serialisation-bound", "encode", "producer"),
    ("decode", {}, "serialisation-bound", "decode", "stage"),
    ("compute", {}, "compute-bound", "compute", "stage"),
    ("compute", {"cpu_us": {"stage": 220.0}}, "lock-bound", "compute", "stage"),
    ("compute", {"cpu_us": {"stage": 220.0}, "switches": {"stage": 0.1}}, "compute-bound", "compute", "stage"),
    ("compute", {"gc_us": {"stage": 700.0}}, "gc-bound", "compute", "stage"),
    ("encode", {"gc_us": {"producer": 700.0}}, "gc-bound", "encode", "producer"),
    ("compute", {"waiting_us": {"stage": 700.0}}, "core-contention", "compute", "stage"),
    ("encode", {"waiting_us": {"producer": 700.0}}, "core-contention", "encode", "producer"),
    ("transit", {"waiting_us": {"broker": 700.0}, "has_broker": True}, "core-contention", "transit", "broker"),
    ("batch", {}, "batching-wait", "batch", "stage"),
    ("queue", {"busy": BUSY_STAGE}, "overload", "queue", "stage"),
    ("send", {"busy": BUSY_STAGE}, "overload", "send", "stage"),
    ("queue", {"arrivals_cv": 3.0}, "burst-queueing", "queue", "stage"),
    ("queue", {"arrivals_cv": 0.1, "service_cv": 2.0}, "compute-bound", "queue", "stage"),
    ("queue", {"closed": True, "arrivals_cv": None}, "overload", "queue", "stage"),
    ("queue", {"gc_us": {"stage": 200.0}}, "gc-bound", "queue", "stage"),
    ("lateness", {"busy": BUSY_STAGE}, "overload", "compute", "stage"),
    ("lateness", {"busy": Busy(0.2, 0.9, 0.05, 0.9)}, "producer-bound", "encode", "producer"),
    ("lateness", {}, "producer-bound", "producer", "producer"),
    ("lateness", {"busy": Busy(0.2, 0.1, 0.9, 0.1), **BIG}, "bandwidth-bound", "send", "link"),
    ("send", {"cpu_us": {"producer": 900.0}, **BIG}, "client-copy-bound", "send", "producer"),
    ("send", {"cpu_us": {"producer": 900.0}, **BIG, "floor_one_way_us": 900.0}, "bandwidth-bound", "send", "link"),
    ("send", BIG, "bandwidth-bound", "send", "link"),
    ("send", {"cpu_us": {"producer": 900.0}, "sender_cpu_us": 150.0, **BIG}, "bandwidth-bound", "send", "link"),
    ("transit", {"cpu_us": {"stage": 1100.0}, **BIG}, "client-copy-bound", "transit", "stage"),
    ("transit", BIG, "bandwidth-bound", "transit", "link"),
    ("transit", {"has_broker": True, "cpu_us": {"broker": 900.0}}, "broker-bound", "transit", "broker"),
    ("transit", {"has_broker": True}, "broker-bound", "transit", "broker"),
    ("transit", {"wake_us": 300.0}, "wake-up-bound", "transit", "link"),
    ("transit", {"wake_us": 300.0, "has_broker": True}, "wake-up-bound", "transit", "broker"),
    ("transit", {"switches": {"stage": 50.0}}, "wake-up-bound", "transit", "link"),
    ("transit", {}, "unclear", "transit", "link"),
    ("transit", {"link": Burden(900.0, 0.2)}, "bandwidth-bound", "transit", "link"),
    ("send", {"link": Burden(10.0, 0.95), "has_broker": True}, "bandwidth-bound", "send", "link"),
    ("transit", {"link": Burden(delay_us=900.0)}, "delay-bound", "transit", "link"),
    ("send", {"link": Burden(delay_us=250.0, back_us=250.0), "has_broker": True}, "delay-bound", "send", "link"),
    ("return", {"link": Burden(back_us=900.0)}, "delay-bound", "return", "link"),
    ("reply", {}, "serialisation-bound", "reply", "stage"),
    ("return", {"wake_us": 300.0}, "wake-up-bound", "return", "link"),
    ("return", {"has_broker": True, "cpu_us": {"broker": 2000.0}}, "broker-bound", "return", "broker"),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "changes", "kind", "named", "resource"), CASES)
def test_each_cause_is_named(phase: str, changes: dict, kind: str, named: str, resource: str) -> None:
    found = v.verdict(facts(phase, **changes))
    assert (found.kind, found.bottleneck, found.resource) == (kind, named, resource)
    assert found.line.startswith(f"{kind} ({named}, {resource}): 53% of the latency is {phase}")
    assert len(found.evidence) == 3
    assert phase in found.evidence[0]


def test_every_kind_of_the_closed_list_is_reached() -> None:
    reached = {kind for _, _, kind, _, _ in CASES} | {"none"}
    assert reached == set(v.KINDS)


def test_every_phase_ends_with_a_rule_that_always_holds() -> None:
    for phase in PHASES:
        last = [rule for rule in rules.RULES if phase in rule.at][-1]
        assert last.sign is signs.always, phase


def test_no_rule_stands_behind_one_that_always_holds() -> None:
    for phase in PHASES:
        own = [rule for rule in rules.RULES if phase in rule.at]
        assert [rule.sign is signs.always for rule in own].index(True) == len(own) - 1


def test_waiting_for_a_core_comes_before_what_it_makes_slow() -> None:
    found = v.verdict(facts("compute", waiting_us={"stage": 700.0}, gc_us={"stage": 700.0}))
    assert found.kind == "core-contention"


def test_wake_ups_are_no_waiting_for_a_core() -> None:
    found = v.verdict(facts("transit", waiting_us={"stage": 500.0}, switches={"stage": 60.0}))
    assert found.kind == "wake-up-bound"


def test_waiting_for_a_core_is_not_all_in_the_largest_phase() -> None:
    """The producer waits while it sends, and encoding used all of its time on a core."""
    mean_us = {**LOW, "encode": 1000.0, "send": 700.0}
    there = facts(
        "encode", mean_us=mean_us, block_means_us=[tuple(mean_us.values())], waiting_us={"producer": 700.0}
    )
    assert v.verdict(there).kind == "serialisation-bound"
    used = dataclasses.replace(there, cpu_us={"producer": 400.0, "stage": 400.0})
    assert v.verdict(used).kind == "core-contention"


def test_a_queue_behind_work_that_waits_for_a_core_is_contention() -> None:
    found = v.verdict(facts("queue", closed=True, waiting_us={"stage": 250.0}))
    assert (found.kind, found.bottleneck, found.resource) == ("core-contention", "queue", "stage")


def test_contention_in_every_phase_is_found_though_none_stands_out() -> None:
    even = facts("encode", mean_us=LOW, block_means_us=[tuple(LOW.values())], p50_us=1000.0)
    assert v.verdict(even).kind == "none"
    crowded = dataclasses.replace(even, waiting_us={"producer": 300.0, "stage": 350.0})
    found = v.verdict(crowded)
    assert (found.kind, found.resource) == ("core-contention", "stage")
    assert found.bottleneck in {phase for phase in PHASES if "stage" in signs.PARTIES[phase]}


@pytest.mark.parametrize(("share", "named"), [(0.29, "none"), (0.31, "encode"), (0.35, "encode")])
def test_the_limit_is_a_share_of_the_mean_latency(share: float, named: str) -> None:
    rest = (1 - share) * 1000 / 9
    mean_us = {**dict.fromkeys(PHASES, rest), "encode": share * 1000}
    found = v.verdict(facts("encode", mean_us=mean_us, block_means_us=[tuple(mean_us.values())]))
    assert found.bottleneck == named
    assert found.share == pytest.approx(share)


def test_two_phases_that_have_nothing_in_common_are_no_single_bottleneck() -> None:
    mean_us = {**dict.fromkeys(PHASES, 10.0), "encode": 500.0, "compute": 490.0}
    found = v.verdict(facts("encode", mean_us=mean_us, block_means_us=[tuple(mean_us.values())]))
    assert (found.bottleneck, found.resource, found.kind) == ("none", "none", "unclear")
    assert found.line.startswith("no single bottleneck: encode")


def test_two_phases_of_one_cause_are_one_bottleneck() -> None:
    mean_us = {**dict.fromkeys(PHASES, 10.0), "send": 490.0, "transit": 500.0}
    found = v.verdict(facts("transit", mean_us=mean_us, block_means_us=[tuple(mean_us.values())], **BIG))
    assert (found.bottleneck, found.kind) == ("transit", "bandwidth-bound")


def test_blocks_that_do_not_agree_are_no_single_bottleneck() -> None:
    names = ("encode", "compute", "batch")
    rows = [tuple({**LOW, name: 3000.0}.values()) for name in names]
    assert v.verdict(facts("encode", block_means_us=rows)).kind == "unclear"


def test_at_the_floor_of_the_tool_there_is_no_bottleneck() -> None:
    assert v.verdict(facts("transit", p50_us=110.0)).kind == "none"
    assert v.verdict(facts("transit", p50_us=130.0)).kind != "none"
    assert v.verdict(facts("transit", p50_us=110.0, null_us=None)).kind != "none"


def test_what_is_unknown_speaks_for_nothing() -> None:
    dark = facts(
        "compute", cpu_us={}, wake_us=None, null_us=None, floor_one_way_us=None, memcpy_bytes_per_s=None
    )
    assert v.verdict(dark).kind == "compute-bound"


def test_a_decision_by_a_hair_lowers_the_grade() -> None:
    sure, hair = (v.verdict(facts("compute", gc_us={"stage": us})).confidence for us in (800.0, 402.0))
    assert hair < 0.7 < sure


def test_a_narrow_lead_and_blocks_that_differ_lower_the_grade() -> None:
    near = {**LOW, "encode": 1000.0, "compute": 850.0}
    assert v.verdict(facts("encode", mean_us=near, block_means_us=[tuple(near.values())])).confidence < 0.7
    rows = [*[tuple({**LOW, "encode": 1000.0}.values())] * 3, tuple({**LOW, "compute": 1000.0}.values())]
    assert v.verdict(facts("encode", block_means_us=rows)).confidence == pytest.approx(0.75)


amounts = st.floats(0, 1e7, allow_nan=False)
by_role = st.dictionaries(st.sampled_from(["producer", "stage", "broker"]), amounts)
maybe = st.none() | st.floats(0, 1e6, allow_nan=False)
shares = st.floats(0, 1, allow_nan=False)
rows_of_phases = st.lists(amounts, min_size=10, max_size=10)


@given(
    st.builds(
        Facts,
        mean_us=rows_of_phases.map(lambda row: dict(zip(PHASES, row, strict=True))),
        block_means_us=st.lists(rows_of_phases, max_size=4), has_broker=st.booleans(), replies=st.booleans(),
        wire_bytes=st.integers(0, 1 << 30), batch_size=st.integers(1, 64),
        busy=st.builds(Busy, shares, shares, shares, st.none() | shares), stage_work_us=amounts, cpu_us=by_role,
        integrity_us=amounts, waiting_us=by_role, gc_us=by_role, switches=by_role, arrivals_cv=maybe, service_cv=maybe,
        floor_one_way_us=maybe, wake_us=maybe, null_us=maybe, memcpy_bytes_per_s=maybe, p50_us=maybe,
    )
)  # fmt: skip
def test_whatever_the_facts_the_verdict_is_whole(found: Facts) -> None:
    said = v.verdict(found)
    assert said.kind in v.KINDS
    assert said.bottleneck in {*PHASES, "producer", "none"} - {"lateness"}
    assert said.resource in {"producer", "broker", "stage", "link", "none"}
    assert 0 <= said.share <= 1
    assert 0 <= said.confidence <= 1
    assert (said.bottleneck == "none") == (said.resource == "none")
    if said.kind == "none":
        assert said.bottleneck == "none"
    if found.latency_us > 0:
        assert said.line
        assert said.evidence
        largest = max(map(found.share, PHASES))
        assert said.share == pytest.approx(largest) or said.kind == "core-contention"
        if said.bottleneck in PHASES and said.kind not in ("core-contention", "unclear"):
            assert said.share >= grade.DOMINATES


def test_none_by_a_hair_has_a_low_grade() -> None:
    even = facts("encode", mean_us=LOW, block_means_us=[tuple(LOW.values())], p50_us=1000.0)
    near = dataclasses.replace(even, waiting_us={"producer": 110.0, "stage": 120.0})
    assert signs.crowded(near) == pytest.approx(0.96, abs=0.02)
    assert v.verdict(even).confidence > 0.9
    assert (v.verdict(near).kind, v.verdict(near).confidence < 0.6) == ("none", True)
    at_floor, well_below = (v.verdict(facts("transit", p50_us=us)).confidence for us in (119.0, 60.0))
    assert at_floor < 0.5 < well_below


def test_a_producer_that_waits_for_a_core_between_messages_holds_none_up() -> None:
    ran = {"thread_cpu_us": {"producer": 1250.0}, "waiting_us": {"producer": 900.0}}
    assert v.verdict(facts("encode", **ran)).kind == "serialisation-bound"
    assert (
        v.verdict(facts("encode", **{**ran, "thread_cpu_us": {"producer": 400.0}})).kind == "core-contention"
    )


def test_a_worker_that_waits_for_a_core_after_its_reply_holds_the_next_message_up() -> None:
    ran = {"thread_cpu_us": {"stage": 1250.0}, "waiting_us": {"stage": 900.0}}
    assert v.verdict(facts("compute", **ran)).kind == "compute-bound"
    assert v.verdict(facts("compute", **ran, stage_work_us=2100.0)).kind == "core-contention"
