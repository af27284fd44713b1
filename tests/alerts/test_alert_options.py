"""What people write: in a scenario, with the line of each mistake, and as plain data."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchkit import scenario
from benchkit.alerts import AlertOptions, Evaluator, read
from benchkit.alerts.rules.dead import Dead
from benchkit.errors import ScenarioError
from benchkit.scenario.json_schema import schema
from benchkit.scenario.plan import Plan

TEXT = """\
name: watched
source: {kind: sensors, samples: 16, channels: 4}
transport: unix
load: {arrival: constant, rate: 100/s}
"""
ALL = {"dead", "stalled", "growing", "burn-rate", "loss", "frame-age"}


def load(folder: Path, alerts: str, **given: list[str]) -> Plan:
    path = folder / "watched.yaml"
    path.write_text(TEXT + alerts, "utf-8")
    return scenario.load(path, **given)


def titles(found: AlertOptions) -> set[str]:
    return {rule.title for rule in found.rules}


def test_without_a_section_there_are_none(tmp_path: Path) -> None:
    plan = load(tmp_path, "")
    assert plan.alerts is None
    assert "alerts" not in plan.resolved
    assert load(tmp_path, "alerts: null\n").alerts is None


@pytest.mark.parametrize("text", ["alerts: default", "alerts: {}", "alerts: {rules: default}",
                                  "alerts: {rules: [default], sinks: [terminal]}"])  # fmt: skip
def test_default_is_every_rule_and_the_terminal(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, f"{text}\n").alerts
    assert titles(found) == ALL
    assert [sink.kind for sink in found.sinks] == ["terminal"]


def test_a_rule_of_ones_own_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    text = (
        "alerts: {heartbeat: 500ms, rules: [{rule: dead, intervals: 4}, default, {rule: loss, name: lost}]}\n"
    )
    found = load(tmp_path, text).alerts
    assert titles(found) == (ALL - {"loss"}) | {"lost"}
    (dead,) = [rule for rule in found.evaluated if isinstance(rule, Dead)]
    assert (dead.intervals, dead.heartbeat) == (4, 0.5)
    assert len(Evaluator(found.evaluated).rules) == 6


def test_what_is_recorded_loads_again_and_holds_no_secret(tmp_path: Path) -> None:
    text = """\
alerts:
  rules: [default, {rule: threshold, metric: benchkit_queue_depth, above: 10, lasting: 2s}]
  sinks: [{sink: webhook, url: "https://hooks.example/geheim"}, {sink: prometheus, token: geheim-geheim-geheim}]
"""
    recorded = load(tmp_path, text).resolved["alerts"]
    assert "geheim" not in str(recorded)
    assert recorded["sinks"][0]["url"] == "***"
    again = read({**recorded, "sinks": ["terminal"]})
    assert titles(again) == ALL | {"benchkit_queue_depth above 10"}


def test_the_command_line_sets_it(tmp_path: Path) -> None:
    assert titles(load(tmp_path, "", sets=["alerts=default"]).alerts) == ALL
    assert load(tmp_path, "alerts: {}\n", sets=["alerts.heartbeat=250ms"]).alerts.heartbeat == 0.25


MISTAKES = [
    ("alerts: yes please", ":5:9: alerts: expected `default` or a mapping, found 'yes please'"),
    ("alerts: {heartbeat: 5 parsec}", ":5:21: alerts: heartbeat: not a duration"),
    ("alerts: {heartbeat: 0s}", ":5:21: alerts: heartbeat: expected more than 0"),
    ("alerts: {rule: dead}", ":5:10: unknown option 'rule' of alerts"),
    ("alerts:\n  rules:\n    - ded", ":7:7: unknown rule 'ded'"),
    ("alerts:\n  rules:\n    - {rule: dead, interval: 2}", ":7:20: unknown option 'interval' of rule dead"),
    ("alerts: {rules: [{rule: threshold, metric: benchkit_lost, above: 0}]}",
     ":5:44: rule threshold: metric: did you mean benchkit_lost_total?"),
    ("alerts: {rules: [{rule: threshold, metric: benchkit_up}]}", ":5:18: rule threshold: give either `above`"),
    ("alerts: {rules: [5]}", ":5:18: alerts.rules.0: expected a rule"),
    ("alerts: {rules: []}", ":5:17: alerts.rules: an empty list"),
    ("alerts: {rules: [dead, {rule: dead, intervals: 3}]}", "two rules are called 'dead'"),
    ("alerts: {sinks: [default]}", ":5:18: unknown sink 'default'"),
    ("alerts: {sinks: [{sink: webhook}]}", ":5:18: sink webhook needs `url`"),
    ("alerts: {sinks: [{sink: webhook, url: 'gopher://geheim'}]}", ":5:39: sink webhook: url: not an address"),
    ("alerts: {sinks: [{sink: prometheus, address: 0.0.0.0}]}", "0.0.0.0 is open to others"),
    ("alerts: {rules: [{rule: burn-rate, windows: [{long: 5s, factor: 0}]}]}", "windows.factor: expected more than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), MISTAKES, ids=[says[:30] for _, says in MISTAKES])
def test_mistakes_are_named_with_their_line_and_without_secrets(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, f"{text}\n")
    assert says in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [5, [], "dead", {"rules": ["ded"]}, {"rules": [{"rule": "dead", "heartbeat": "x"}]}, {"rules": [{}]},
     {"sinks": "default"}, {"sinks": [{"sink": "webhook", "url": "gopher://geheim"}]}, {"heart": 1}, {5: 1},
     {"rules": ["dead", "dead"]}, {"rules": [[]]}],
)  # fmt: skip
def test_plain_data_that_makes_no_sense_is_one_kind_of_error(content: object) -> None:
    with pytest.raises(ValueError, match=r"alerts") as caught:
        read(content)
    assert type(caught.value) is ValueError
    assert "geheim" not in str(caught.value)


def test_an_editor_completes_it() -> None:
    section = schema()["properties"]["alerts"]
    rules = section["anyOf"][1]["properties"]["rules"]["anyOf"][0]["anyOf"]
    assert set(rules[0]["enum"]) == ALL | {"threshold", "default"}
    assert {each["properties"]["rule"]["const"] for each in rules[1:]} == ALL | {"threshold"}


def test_secrets_of_sinks_may_be_variables_of_the_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example/services/T0-hunter2-B0")
    monkeypatch.setenv("SCRAPED", "hunter2-hunter2-hunter2")
    text = "alerts: {sinks: [{sink: webhook, url: 'env:HOOK'}, {sink: prometheus, token: 'env:SCRAPED'}]}\n"
    plan = load(tmp_path, text)
    hook, endpoint = plan.alerts.sinks
    assert hook.url.get_secret_value().endswith("T0-hunter2-B0")
    assert endpoint.token.get_secret_value() == "hunter2-hunter2-hunter2"
    assert "hunter2" not in repr(plan.resolved)
    monkeypatch.setenv("SCRAPED", "short")
    with pytest.raises(ScenarioError, match="token: expected at least 16"):
        load(tmp_path, text)
    monkeypatch.delenv("HOOK")
    with pytest.raises(ScenarioError, match="the environment has no HOOK"):
        load(tmp_path, text)
