"""The quick self-test end to end, and what the command refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchkit.cli.selftest import selftest
from benchkit.errors import UsageError
from benchkit.selftest import run
from benchkit.selftest.log import Log
from benchkit.selftest.run import Asked
from benchkit.selftest.trials import planned


def test_the_quick_form_runs_is_kept_and_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "wait_for_calm", lambda: True)
    few = [
        "--truth",
        "--quick",
        "-q",
        "--only",
        "compute, spinning",
        "--only",
        "overload",
        "--out",
        str(tmp_path),
    ]
    arguments = [*few, "--json"]
    first = CliRunner().invoke(selftest, arguments, standalone_mode=False)
    found = json.loads(first.stdout)
    assert first.return_value == {True: 0, False: 1, None: 3}[found["holds"]]
    # One that the machine disturbed is run again after the others.
    assert sorted(trial["kind"] for trial in found["trials"]) == ["compute, spinning", "overload"]
    assert len(Asked(quick=True).trials()) >= 6
    for trial in found["trials"]:
        # On a machine that is busy with other things a trial, or the healthy run that sizes it, may be no valid one.
        assert trial["valid"] or trial["reasons"]
        if "planted_share" in trial:
            assert trial["verdict"]["line"]
    again = CliRunner().invoke(selftest, arguments, standalone_mode=False)
    assert json.loads(again.stdout)["trials"] == found["trials"]
    assert json.loads(again.stdout)["seconds"] < found["seconds"] / 2
    page = (tmp_path / "verdict.md").read_text("utf-8")
    assert "| overload | 1 |" in page
    assert "load average" in page
    shown = CliRunner().invoke(selftest, few, standalone_mode=False)
    assert "phase and resource right" in shown.output or "trials with a verdict" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--truth", "--levels", "much"],
        ["--truth", "--levels", "0.1"],
        ["--truth", "--only", "no such kind"],
    ],
)
def test_wrong_use_is_told(arguments: list[str]) -> None:
    done = CliRunner().invoke(selftest, arguments)
    assert done.exit_code == 2


def test_a_half_line_is_dropped_and_what_is_left_is_known(tmp_path: Path) -> None:
    trials = planned([100], [0.35, 0.8], ["lock wait"])
    log = Log(tmp_path)
    log.keep({"kind": "lock wait", "seed": 100, "asked_share": 0.35, "valid": False, "reasons": []})
    with (tmp_path / "trials.jsonl").open("a") as out:
        out.write('{"kind": "lock wa')
    again = Log(tmp_path)
    assert [trial.share for trial in again.left(trials)] == [0.8]
    again.keep({"kind": "lock wait", "seed": 100, "asked_share": 0.8, "valid": False, "reasons": []})
    assert Log(tmp_path).left(trials) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text("hello\n")
    with pytest.raises(UsageError, match="no line of this self-test"):
        Log(tmp_path)
