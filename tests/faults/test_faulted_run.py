"""`benchkit run --faults`: measured, then done, kept, told, and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchkit import scenario
from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.records import faults
from benchkit.records.folder import load
from benchkit.records.recording import Recording
from benchkit.scenario.plan import Plan

TEXT = """
name: x
source: {kind: sensors, samples: 4, distinct: 4}
transport: [unix, inproc]
load: {arrival: closed, in_flight: 2}
stage: {kind: synthetic, service: 2ms, busy: sleep}
blocks: {rounds: 1, duration: 100ms, warmup: 20ms}
faults:
  run: true
  warmup: 50ms
  before: 300ms
  after: 300ms
  window: 50ms
  inject: [{kind: kill, party: stage, lasting: 50ms}, {kind: stop, party: broker}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    file = tmp_path / "x.yaml"
    file.write_text(TEXT)
    return scenario.load(file, sets=(), only=(), quick=False)


class _Interrupted:
    """Somebody presses Ctrl-C when the trial of a fault begins."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, progress: object) -> None:
        doing = str(getattr(progress, "doing", ""))
        self.said.append(doing)
        if doing == "fault: kill stage":
            raise KeyboardInterrupt


def test_an_interrupted_run_keeps_its_trials_and_is_gone_on_with(plan: Plan, tmp_path: Path) -> None:
    out = tmp_path / "results"
    watch = _Interrupted()
    recording = Recording(out)
    first = Runner(plan, watch, recording=recording, floors=False).run()
    assert first.interrupted
    assert first.faults is not None
    assert [each.fault for each in first.faults.all] == [{}]
    assert recording.path is not None
    recording.checkpoint(first)
    recording.close()
    again, header = Recording.resume(recording.path)
    said: list[str] = []
    whole = Runner(
        plan, lambda now: said.append(now.doing), recording=again, before=header, floors=False
    ).run()
    # The control was there already.
    assert "fault: nothing (control)" not in said
    assert "fault: kill stage" in said
    assert whole.faults is not None
    assert [each.number for each in whole.faults.all] == [0, 1]
    assert {(left.cell.partition("/")[0], left.fault) for left in whole.not_faulted} == {
        ("unix", "stop broker"), ("inproc", ""),
    }  # fmt: skip
    made = document(whole)
    path = again.finish(whole, made)
    told = json.loads((path / "run.json").read_text())["faults"]
    assert [each["control"] for each in told["trials"]] == [True, False]
    assert {each["why"] for each in told["left_out"]} == {left.why for left in whole.not_faulted}
    # Read back, it says the same.
    read = load(path)
    assert read.not_faulted == whole.not_faulted
    assert read.faults is not None
    (control, kill) = read.faults.all
    assert control.control
    assert "exit status -9" in kill.proof
    # A closed loop has no rate: half of what the cell can.
    assert 20 < control.offered_per_s < 600
    assert len(faults.operations(path, kill)) > 10
