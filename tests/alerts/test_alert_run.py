"""Alerts of real runs: what is told, kept, sent and reported, and that the run goes on whatever becomes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from alert_cases import S
from alert_servers import serving, status

from benchkit import scenario
from benchkit.alerts import Alerting, AlertOptions, Evaluator, alerting
from benchkit.alerts.rules.burn_rate import BurnRate
from benchkit.alerts.rules.loss import Loss
from benchkit.analysis.document import document
from benchkit.engine.alerted.live import Live
from benchkit.engine.alerted.outcome import Outcomes
from benchkit.engine.runner import Runner
from benchkit.records.reading import record
from benchkit.records.run import Block
from benchkit.records.samples import SAMPLE, Status
from benchkit.report.alerts import alerts as reported

TEXT = """\
name: alerted
source: {kind: sensors, samples: 16, channels: 4}
transport: unix
load: {arrival: constant, rate: 200/s}
blocks: {rounds: 2, duration: 300ms, warmup: 50ms, drain: 500ms}
"""


def plan(folder: Path, alerts: str, text: str = TEXT):
    path = folder / "alerted.yaml"
    path.write_text(text + alerts, "utf-8")
    return scenario.load(path)


STAGE = """
import os
import pathlib
import signal

import numpy as np

calls = 0
died = pathlib.Path(__file__).with_name("died")

def dies_once(arrays):
    global calls
    calls += 1
    if calls == 20 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"n": np.array([1])}
"""


def test_a_worker_that_dies_is_told_everywhere_and_the_run_goes_on(tmp_path: Path) -> None:
    """One server fails throughout, the other one takes what it is sent."""
    lines: list[str] = []
    (tmp_path / "their.py").write_text(STAGE, "utf-8")
    with serving(status(500)) as broken, serving(status(200)) as taking:
        asked = plan(
            tmp_path,
            "stage: {kind: python, target: 'their:dies_once', path: ., repeatable: false}\n"
            "alerts:\n  heartbeat: 30s\n  sinks:\n    - terminal\n"
            f"    - {{sink: webhook, url: '{taking.url}/geheim', form: plain}}\n"
            f"    - {{sink: alertmanager, url: '{broken.url}/geheim', attempts: 1}}\n",
        )
        with alerting(asked.alerts, lambda text, _: lines.append(text)) as told:
            runner = Runner(asked, lambda _: None, floors=False, alerts=told)
            run = runner.run()
        run.alerts = runner.alerts()
    first, second = (each for each in run.alerts if each["rule"] == "dead")
    assert (first["state"], first["labels"]["party"], first["summary"]) == (
        "firing",
        "stage-0",
        "stage-0 is gone",
    )
    assert (second["state"], second["summary"]) == ("resolved", "stage-0 is heard of")
    assert 0 < first["since_ns"] <= first["at_ns"] <= second["at_ns"]
    delivered = {each["sink"]: each for each in first["delivered"]}
    assert set(delivered) == {"terminal", "webhook", "alertmanager"}
    assert [name for name, each in delivered.items() if each["error"]] == ["alertmanager"]
    assert all(each["at_ns"] >= first["at_ns"] for each in delivered.values())
    assert [body["state"] for _, _, body in taking.asked if body["rule"] == "dead"] == ["firing", "resolved"]
    assert sum(line.startswith("warning: alerts do not reach alertmanager") for line in lines) == 1
    assert not [line for line in lines if "geheim" in line]
    assert len(run.blocks) == 2
    made = document(run)
    assert made["alerts"][0]["to_alert_s"] >= 0
    page = reported(made)
    assert "dead: 1" in page.claims[0]
    assert "stage-0 is gone" in {row[3].text for row in page.table.rows}
    json.dumps(made, allow_nan=False)


def test_a_party_that_is_found_dead_before_a_block_is_told_until_the_run_ends() -> None:
    options = AlertOptions(sinks=())
    told = Alerting(options, lambda *_: None)
    live = Live(told, {})
    live.died("p", "stage-0")
    live.close()
    assert [(each["state"], each["rule"], each["labels"]["party"]) for each in told.log()] == [
        ("firing", "dead", "stage-0"), ("resolved", "dead", "stage-0")
    ]  # fmt: skip


def test_nothing_is_told_of_a_healthy_run_and_its_record_says_so(tmp_path: Path) -> None:
    path = tmp_path / "alerted.yaml"
    path.write_text(f"{TEXT}slo: {{p90: 30s, loss: 0.5}}\nalerts: {{heartbeat: 30s}}\n", "utf-8")
    run = [
        sys.executable,
        "-m",
        "benchkit",
        "run",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "--no-floors",
        "-q",
    ]
    done = subprocess.run([*run, "--json"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 3), done.stderr
    made = json.loads(done.stdout)
    assert made["alerts"] == []
    assert "ALERT" not in done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "run.json").read_text("utf-8"))["alerts"] == []
    assert record(folder).run().alerts == []
    assert reported(made).claims == ("No rule had anything to tell.",)


def test_without_rules_nothing_is_asked_and_nothing_is_recorded(tmp_path: Path, monkeypatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("somebody looked")

    monkeypatch.setattr("benchkit.engine.alerted.pulse.Pulse.look", never)
    monkeypatch.setattr("benchkit.engine.crew.Crew.pulsed", never)
    text = TEXT.replace("rounds: 2", "rounds: 1")
    run = Runner(plan(tmp_path, "", text), lambda _: None, floors=False).run()
    assert run.alerts is None
    made = document(run)
    assert "alerts" not in made
    assert reported(made) is None


def block_of(lost: int, slow: int, count: int = 100):
    samples = np.zeros(count, SAMPLE)
    samples["seq"] = np.arange(count)
    samples["due"] = S + np.arange(count) * 10_000_000
    for name in (
        "taken",
        "encoded",
        "sent",
        "received",
        "decoded",
        "started",
        "finished",
        "replied",
        "returned",
    ):
        samples[name] = samples["due"] + 1_000_000
    samples["returned"][:slow] += 500_000_000
    samples["status"] = Status.DELIVERED
    samples["status"][count - lost :] = Status.LOST
    return Block("p", 0, 0, S, 3 * S, count, 100.0), samples


def test_what_a_block_lost_and_promised_is_counted_on_from_block_to_block() -> None:
    outcomes = Outcomes("p", {"p99": 0.1, "loss": 0.01})
    rules = Evaluator([Loss(window=60), BurnRate(period="1h")])
    assert rules.feed(outcomes.counters(S), S) == []
    assert rules.feed(outcomes.after(*block_of(0, 0), 2 * S), 2 * S) == []
    bad = list(outcomes.after(*block_of(lost=3, slow=40), 3 * S))
    values = {(each.metric, each.labels.get("promise", "")): each.value for each in bad}
    assert values["benchkit_lost_total", ""] == 3
    assert values["benchkit_slo_total", "p99"] == 200
    assert values["benchkit_slo_good_total", "p99"] == 157
    assert values["benchkit_slo_good_total", "loss"] == 197
    assert values["benchkit_latency_p50_seconds", ""] == pytest.approx(0.001)
    assert 0 < values["benchkit_frame_age_seconds", ""] < 1
    labels = {each.labels["objective"] for each in bad if each.labels.get("promise") == "p99"}
    assert labels == {"0.99"}
    notices = rules.feed(bad, 3 * S)
    assert [notice.rule for notice in notices] == ["loss"]
    # 43% bad against 99% burns 43 times as fast: 14.4 over five seconds are reached within two of it.
    notices = rules.feed(outcomes.after(*block_of(lost=3, slow=40), 4 * S), 4 * S)
    assert sorted(notice.labels["promise"] for notice in notices) == ["p99"]
