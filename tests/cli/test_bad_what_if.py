"""The section `what_if:`: what is refused, with the place and the remedy, and what becomes of it."""

from __future__ import annotations

import pytest

from benchkit import scenario
from benchkit.errors import ScenarioError

TEXT = """\
name: x
source: {kind: sensors, samples: 4, channels: 4}
codec: [raw, msgpack]
transport: TRANSPORT
stage: {kind: synthetic, service: 1ms}
load: {arrival: constant, rate: 100/s}
replies: REPLIES
what_if: WHAT
"""


def load(tmp_path, what, *, transport="[unix, shm]", replies="true", sets=(), quick=False):
    path = tmp_path / "x.yaml"
    text = TEXT.replace("WHAT", what).replace("TRANSPORT", transport).replace("REPLIES", replies)
    path.write_text(text)
    return scenario.load(path, sets=sets, quick=quick)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("{phases: [computing]}", "'computing'"),
        ("{phases: [queue]}", "queue is waiting, not work"),
        ("{phases: [compute], slow: [5%]}", "what_if: slow"),
        ("{slow: [5%, 200%]}", "what_if: slow"),
        ("{rounds: 1}", "what_if: rounds"),
        ("{transport: [shmm]}", "did you mean"),
        ("{codec: [nonsense]}", "nonsense"),
        ("{confirmed: true}", "unknown option"),
        ("yes", "expected a mapping"),
        ("{workers: [0]}", "what_if: workers"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(tmp_path, what, said):
    with pytest.raises(ScenarioError) as error:
        load(tmp_path, what)
    assert said in str(error.value)
    assert "x.yaml:8" in str(error.value)


def test_a_server_s_phases_cannot_be_slowed(tmp_path):
    server = "{kind: kserve-http, url: 'http://127.0.0.1:9', model: m}"
    with pytest.raises(ScenarioError) as error:
        load(tmp_path, "{phases: [encode, compute]}", transport=server)
    assert "compute cannot be slowed: with kserve-http the stage is a server of its own" in str(error.value)
    assert "phases: [encode, send, return]" in str(error.value)


def test_without_replies_nothing_can_be_saturated(tmp_path):
    with pytest.raises(ScenarioError, match="without replies nothing tells how many"):
        load(tmp_path, "{}", replies="false")


def test_a_cell_that_searches_has_no_rate_to_ask_about(tmp_path):
    with pytest.raises(ScenarioError, match="every cell searches"):
        load(tmp_path, "{}", sets=["load={find: capacity, slo: {p99: 100ms}}"])


def test_the_section_switches_it_on_and_run_switches_it_off(tmp_path):
    plan = load(tmp_path, "{phases: [compute], slow: [5%, 10%, 0.3]}")
    assert plan.what_if is not None
    assert plan.what_if.slow == (0.05, 0.1, 0.3)
    assert plan.resolved["what_if"]["phases"] == ["compute"]
    off = load(tmp_path, "{run: false}")
    assert off.what_if is None
    assert "what_if" not in off.resolved
    assert plan.expected_s == pytest.approx(off.expected_s + plan.what_if.longest)


def test_an_empty_section_takes_the_defaults_and_quick_cuts_them(tmp_path):
    plan = load(tmp_path, "", quick=True)
    assert plan.what_if is not None
    assert (plan.what_if.rounds, plan.what_if.longest) == (3, 20.0)


def test_editors_complete_it():
    section = scenario.schema()["properties"]["what_if"]["anyOf"][0]
    assert {"phases", "slow", "confirm", "longest"} <= set(section["properties"])
    assert section["additionalProperties"] is False


def test_the_flags_are_the_section(tmp_path):
    from click.testing import CliRunner

    from benchkit.cli.run import run

    path = tmp_path / "x.yaml"
    text = TEXT.replace("TRANSPORT", "unix").replace("REPLIES", "true").replace("what_if: WHAT\n", "")
    path.write_text(text)
    bare, asked = (
        CliRunner().invoke(run, [str(path), "--dry-run", *more]) for more in ([], ["--what-if", "--confirm"])
    )
    assert "what-if trials" not in bare.output
    assert "then what-if trials, 120 s at most" in " ".join(asked.output.split())
