"""The other commands and options, each as CONTRACT.md lists it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shell import COMMAND, ROOT, Done, benchkit, environment, measure, small

pytestmark = pytest.mark.quiet

HEAVY = (
    "numpy",
    "pydantic",
    "rich",
    "matplotlib",
    "onnxruntime",
    "redis",
    "av",
    "scipy",
    "uvicorn",
    "psutil",
    "yaml",
)
HELP_CPU_S = 0.3
"""The one bound in absolute time that the project promises."""

LOADED = """
import sys
sys.argv = ["benchkit", "--help"]
from benchkit.cli import main
try:
    main()
finally:
    print("loaded:", *sorted(set(sys.modules) & set({heavy!r})))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def run(folder: Path) -> Done:
    """A small run with everything at its default."""
    scenario = small(
        folder, transport=["unix", "inproc"], blocks={"rounds": 4, "duration": "120ms", "warmup": "20ms"}
    )
    return benchkit("run", scenario, "--out", folder / "run", "--profile", out=folder / "run")


def plain(*arguments: str | Path, **more: str) -> Done:
    return benchkit(*arguments, out=Path(), env=environment(**more))


def test_help_answers_in_under_three_tenths_of_a_second_of_cpu() -> None:
    process = subprocess.Popen([*COMMAND, "--help"], stdout=subprocess.PIPE, cwd=ROOT, env=environment())
    assert process.stdout is not None
    text = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert b"benchkit run scenarios/dam.yaml" in text
    assert usage.ru_utime + usage.ru_stime < HELP_CPU_S


def test_help_imports_nothing_heavy() -> None:
    code = LOADED.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("command", ["run", "compare", "check", "report", "list", "doctor", "schema", "new"])
def test_every_command_of_the_contract_has_help(command: str) -> None:
    done = plain(command, "--help")
    assert done.code == 0
    assert done.stdout.startswith("Usage: ")
    assert command in plain("--help").stdout


def test_a_command_that_is_none_is_wrong_use() -> None:
    done = plain("measure")
    assert done.code == 2
    assert "No such command 'measure'" in done.stderr


def test_list_shows_what_is_installed_and_from_where() -> None:
    found = json.loads(plain("list", "--json").stdout)
    assert set(found) == {"transports", "stages", "sources", "codecs", "arrivals", "faults", "links"}
    kinds = {row["kind"] for row in found["transports"]}
    assert {"http", "inproc", "redis-list", "redis-stream", "shm", "unix"} <= kinds
    assert all(row["what"] and row["from"] for rows in found.values() for row in rows)
    assert all(row["capabilities"] for row in found["transports"])
    text = plain("list", "transports").stdout
    assert "at-least-once" in text
    assert max(map(len, text.splitlines())) <= 80


def test_list_takes_only_what_there_is_to_list() -> None:
    done = plain("list", "cells")
    assert done.code == 2
    assert "transports" in done.stderr


def test_doctor_names_each_thing_it_looked_at_and_a_remedy_where_it_is_bad() -> None:
    findings = json.loads(plain("doctor", "--json").stdout)
    assert {
        "cores",
        "load",
        "steal",
        "clock",
        "clock step",
        "shared memory",
        "memory",
        "memcpy",
        "wake-up",
    } <= {each["subject"] for each in findings}
    assert all(each["found"] for each in findings)
    assert all(each["remedy"] for each in findings if not each["good"])


def test_doctor_says_what_observing_costs_as_json() -> None:
    found = json.loads(plain("doctor", "--observer", "--rounds", "2", "--json").stdout)
    parts = {"stamps", "checksums", "stamps and checksums", "progress display", "both, timed directly"}
    assert {(cost["cell"], cost["part"]) for cost in found["costs"]} == {
        (cell, part) for cell in ("inproc 64 B", "shm 64 B", "shm 6.2 MB") for part in parts
    }
    assert {cost["payload_bytes"] for cost in found["costs"]} == {64, 1920 * 1080 * 3}
    assert found["bars"]["frame"]["verdict"] == "undecided"  # two rounds have no interval
    assert found["bars"]["stamp"]["ns"] > 0


def test_doctor_says_what_observing_costs_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    from benchkit.cli.doctor import _print
    from benchkit.engine.observer import TIMED, Cost, Observer

    costs = tuple(
        Cost("shm 6.2 MB", 6_220_800, part, 400.0, 392.0, 0.02, (0.01, high), 9)
        for part, high in (("stamps", 0.03), (TIMED, 0.06))
    )
    _print(Observer(costs, 61.0, 20.0))
    said = capsys.readouterr().out
    assert "+8.00 us" in said
    assert "[+1.0% +3.0%]" in said
    assert "stamps and checksums, timed directly, are 2.0% of the latency; at most 5%: undecided" in said
    assert "remedy:" in said
    assert "61 ns; at most 1000 ns: kept" in said


def test_the_schema_knows_the_scenario_of_the_dam() -> None:
    schema = json.loads(plain("schema").stdout)
    assert {"name", "source", "transport", "stage", "load", "blocks"} <= set(schema["properties"])


def test_new_writes_a_scenario_that_plans_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "first.yaml"
    assert plain("new", path).code == 0
    done = plain("run", path, "--dry-run")
    assert done.code == 0, done.said
    assert "shm" in done.stdout
    again = plain("new", path)
    assert again.code == 2
    assert "exists" in again.stderr


def test_a_dry_run_prints_the_plan_and_measures_nothing(folder: Path) -> None:
    done = benchkit("run", "scenarios/dam.yaml", "--dry-run", "--out", folder / "dry", out=folder / "dry")
    assert done.code == 0
    assert "Expected to take about" in done.stdout
    assert "redis-stream" in done.stdout
    assert not (folder / "dry").exists()


def test_progress_in_a_pipe_is_plain_lines_on_standard_error(run: Done) -> None:
    assert run.code in {0, 3}, run.said
    lines = run.stderr.splitlines()
    assert any("measuring: " in line for line in lines)
    assert all(line.startswith("[") for line in lines)
    assert "\x1b" not in run.said
    assert "\r" not in run.said


def test_quiet_says_nothing_but_the_result(folder: Path) -> None:
    scenario = small(folder, blocks={"rounds": 1, "duration": "80ms", "warmup": "0ms"})
    done = measure(scenario, folder / "quiet")
    assert done.stderr == ""
    assert "In words" in done.stdout


def test_profile_leaves_pages_of_each_party_beside_the_results(run: Done) -> None:
    names = {path.name for path in (run.folder / "profiles").iterdir()}
    for role in ("producer", "stage-0"):
        assert f"unix--raw--sensors-16x4--200-per-s--{role}.html" in names
        page = run.folder / "profiles" / f"unix--raw--sensors-16x4--200-per-s--{role}.speedscope.json"
        assert json.loads(page.read_text())["profiles"]


def test_profiled_blocks_are_not_among_the_samples(run: Done) -> None:
    assert all(cell["blocks"] == 4 for cell in run.document["cells"])


POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, POSIX])
def test_an_ascii_terminal_gets_ascii(run: Done, locale: dict[str, str]) -> None:
    done = plain("compare", run.folder, run.folder, **locale)
    assert done.code == 0, done.stderr
    assert done.stdout.isascii()


def test_the_whole_report_fits_an_ascii_terminal_of_eighty_columns(folder: Path) -> None:
    scenario = small(folder, blocks={"rounds": 1, "duration": "80ms", "warmup": "0ms"})
    done = measure(
        scenario, folder / "a", env=environment(PYTHONIOENCODING="ascii", COLUMNS="80", NO_COLOR="1")
    )
    assert done.code in {0, 3}, done.stderr
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_a_terminal_has_colours_unless_no_color_is_set(run: Done) -> None:
    coloured = plain("compare", run.folder, run.folder, FORCE_COLOR="1")
    assert "\x1b[" in coloured.stdout
    without = plain("compare", run.folder, run.folder, FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in without.stdout


def test_whoever_has_read_enough_ends_the_output_without_a_word() -> None:
    with subprocess.Popen(
        [*COMMAND, "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    # As of any program: never 1, which means that a promise was broken.
    assert process.returncode == 141


def test_compare_needs_two_runs_that_are_runs(run: Done, tmp_path: Path) -> None:
    assert plain("compare", run.folder).code == 2
    missing = plain("compare", run.folder, tmp_path / "none")
    assert missing.code == 4
    assert "none" in missing.stderr
    (tmp_path / "run.json").write_text("{")
    broken = plain("compare", run.folder, tmp_path)
    assert broken.code == 4
    assert "damaged" in broken.stderr
    assert "Traceback" not in missing.stderr + broken.stderr


PROMISES = {
    "kept": ({"p50": "5s", "loss": 1.0}, 0),
    "broken": ({"p50": "1us"}, 1),
    "undecided": ({"p999": "5s"}, 3),
    "none": ({}, 2),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_check_is_a_gate(promise: str, tmp_path: Path) -> None:
    slo, code = PROMISES[promise]
    # A closed loop: no other program on the machine can make it miss an offered rate.
    scenario = small(
        tmp_path, slo=slo, load={"arrival": "closed", "in_flight": 1}, stage={"kind": "synthetic", "service": "1ms"},
        blocks={"rounds": 2, "duration": "100ms", "warmup": "10ms"},
    )  # fmt: skip
    done = benchkit("check", scenario, "-q", "--out", tmp_path / "out", out=tmp_path / "out")
    assert done.code == code, done.said
    assert "Traceback" not in done.said
    if promise == "none":
        assert "slo" in done.stderr
        assert not done.out.exists()
    else:
        assert {each["kept"] for each in done.document["promises"]} == {{0: True, 1: False, 3: None}[code]}


def test_run_breaks_no_promise_silently(tmp_path: Path) -> None:
    scenario = small(
        tmp_path, slo={"p50": "1us"}, load={"arrival": "closed", "in_flight": 1},
        blocks={"rounds": 2, "duration": "80ms", "warmup": "10ms"},
    )  # fmt: skip
    done = measure(scenario, tmp_path / "out")
    assert done.code == 1
    assert "p50" in done.stdout


def test_the_progress_bar_of_a_terminal_draws_before_and_after_it_knows_how_much_there_is() -> None:
    from benchkit.cli.console import unseen_progress
    from benchkit.engine.runner import Progress

    with unseen_progress() as show:
        show(Progress("measuring", 3, 7, "shm/raw"))
