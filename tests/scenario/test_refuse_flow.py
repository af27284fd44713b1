"""Traffic control in a scenario: an axis like any other, and combinations that make no sense are named."""

from __future__ import annotations

import pytest
import yaml

from benchkit.errors import ScenarioError

BASE = "name: dam\nsource: camera\nstage: 'null'\nload: {arrival: constant, rate: 30/s}\n"
OPEN = BASE + "transport: http\n"


def told(plan, text):
    with pytest.raises(ScenarioError) as caught:
        plan(text)
    return str(caught.value)


def test_nothing_is_controlled_by_default_and_block_alone_says_the_same(plan):
    assert plan(OPEN).cells[0].flow is None
    assert plan(OPEN + "flow: block\n").cells[0].flow is None
    assert "flow" not in plan(OPEN + "flow: block\n").resolved


def test_flow_is_an_axis_like_any_other(plan):
    text = (
        OPEN
        + "flow: [block, latest-only, {policy: drop-oldest, queue: [4, 8]}, {credits: 2, timeout: 500ms}]\n"
    )
    cells = plan(text).cells
    found = [(cell.flow.policy, cell.flow.queue) if cell.flow else None for cell in cells]
    assert found == [None, ("latest-only", None), ("drop-oldest", 4), ("drop-oldest", 8), ("block", None)]
    assert [cell.group.split("/", 2)[2] for cell in cells] == [
        "flow=block",
        "flow=latest-only",
        "flow=drop-oldest/flow-queue=4",
        "flow=drop-oldest/flow-queue=8",
        "flow=block/flow-credits=2/flow-timeout=0.5",
    ]


def test_the_record_of_a_scenario_with_flow_makes_the_same_cells(plan):
    retry = "{attempts: 4, backoff: 20ms, budget: null}"
    text = (
        OPEN
        + f"flow: [block, {{policy: drop-newest, rate: 10/s, excess: drop, timeout: 1s, retry: {retry}}}]\n"
    )
    first = plan(text)
    again = plan(yaml.safe_dump(first.resolved))
    assert [(cell.id, cell.flow) for cell in again.cells] == [(cell.id, cell.flow) for cell in first.cells]


@pytest.mark.parametrize(
    ("flow", "what", "remedy"),
    [
        ("{policy: latest-only, queue: 4}", "latest-only keeps one message, not 4", "queue: 1"),
        ("{burst: 4}", "a burst is what a rate lets pass at once", "rate: 30/s"),
        ("{excess: drop}", "excess is what is beyond a rate", "rate: 30/s"),
        ("{deadline: 1s, timeout: 2s, retry: {}}", "never tried again", "raise deadline"),
        ("{timeout: 1s, retry: {backoff: 2s}}", "longer than backoff_most", "lower it"),
        ("{retry: {attempts: 1}}", "retry.attempts: expected at least 2", ""),
        ("newest", "'block', 'drop-oldest', 'drop-newest' or 'latest-only'", ""),
    ],
)
def test_options_that_contradict_each_other_are_named(plan, flow, what, remedy):
    said = told(plan, OPEN + f"flow: {flow}\n")
    assert "s.yaml:6" in said
    assert what in said
    assert remedy in said


@pytest.mark.parametrize(
    ("rest", "flow", "what", "remedy"),
    [
        ("transport: http\nreplies: false\n", "{credits: 2}", "credits needs replies", "replies: true"),
        ("transport: http\nreplies: false\n", "{timeout: 1s}", "timeout needs replies", "replies: true"),
        ("transport: shm\n", "{retry: {}}", "transport shm refuses nothing", "timeout: 500ms"),
        ("transport: {kind: shm, loan: true}\n", "latest-only", "have no queue to wait in", "loan: false"),
        ("transport: http\nbatch: {size: 4, delay: 1ms}\n", "{credits: 2}", "can never fill", "credits: 4"),
        ("transport: http\nload: {arrival: closed, in_flight: 2}\n", "latest-only", "closed loop", "open arrival"),
        ("transport: http\nload: {arrival: closed, in_flight: 2}\n", "{credits: 1}", "closed loop", "in_flight"),
        ("transport: http\nload: {find: backlog, messages: 50}\n", "drop-oldest", "due at once", "policy: block"),
        ("transport: http\nload: {find: backlog, messages: 50}\n", "{credits: 2}", "filled", "leave credits out"),
    ],
)  # fmt: skip
def test_what_cannot_be_with_the_rest_of_a_cell_is_refused_with_a_remedy(plan, rest, flow, what, remedy):
    base = BASE if "load:" not in rest else BASE.replace("load: {arrival: constant, rate: 30/s}\n", "")
    said = told(plan, base + rest + f"flow: {flow}\n")
    assert "flow: " in said
    assert what in said
    assert remedy in said


@pytest.mark.parametrize("flow", ["{timeout: 1s, retry: {}}", "{policy: block, deadline: 1s, rate: 10/s}"])
def test_what_means_something_in_a_closed_loop_is_taken(plan, flow):
    base = BASE.replace("{arrival: constant, rate: 30/s}", "{arrival: closed, in_flight: 2}")
    assert plan(base + f"transport: http\nflow: {flow}\n").cells[0].flow is not None
