"""`benchkit analyze`: what a folder of traces tells, and what it says of a folder that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from made import content, done, file, mark, pipeline, produced, received, usage

from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.errors import RecordError
from benchkit.records.folder import load, save
from benchkit.records.run import Run
from benchkit.trace.layout import Kind, Mark
from benchkit.trace.run import Told, run_of


def analysed(folder: Path, told: Told | None = None) -> tuple[Run, dict]:
    run = run_of(folder, told or Told())
    return run, document(run)["cells"][0]


def notes(cell: dict) -> dict[str, str]:
    return {each["code"]: each["message"] for each in cell["validity"]["reasons"]}


def test_a_traced_system_has_the_same_ledger_and_verdict_as_a_run(tmp_path):
    _, cell = analysed(pipeline(tmp_path / "t"))
    means = {name: phase["mean"] for name, phase in cell["phases_us"].items() if phase["mean"]}
    assert means == {"transit": 100.0, "compute": 500.0}
    assert cell["latency_us"]["p50"] == 600.0
    assert cell["account"]["delivered"] == cell["account"]["scheduled"] == 200
    assert cell["validity"]["valid"]
    assert (cell["verdict"]["bottleneck"], cell["verdict"]["resource"]) == ("compute", "stage")
    assert cell["throughput"]["messages_per_s"] == pytest.approx(1000, rel=0.01)
    assert cell["payload_bytes"] == 64


def test_what_processes_used_is_theirs_and_cut_to_the_blocks(tmp_path):
    folder = pipeline(
        tmp_path / "t", 200, events=[usage(0, 0), usage(100_000, 50_000_000), usage(200_000, 60_000_000)]
    )
    run, cell = analysed(folder)
    assert sum(block.parties["stage-0"].cpu_ns for block in run.blocks) == pytest.approx(60e6, rel=0.02)
    first, last = run.blocks[0].parties["stage-0"], run.blocks[-1].parties["stage-0"]
    assert first.cpu_ns == pytest.approx(5 * last.cpu_ns, rel=0.02)
    assert first.runnable_ns is None
    assert "producer-0" in run.blocks[0].gaps
    assert cell["cost"]["stage_cpu_us_per_message"] == pytest.approx(300, rel=0.02)
    assert cell["cost"]["producer_cpu_us_per_message"] is None


def test_a_party_is_named_after_its_worker_and_has_its_own_messages(tmp_path):
    folder, read = tmp_path / "t", [usage(0, 0, 0), usage(400_000, 400_000, 100_000)]
    for at, count in enumerate((30, 170)):
        file(folder, f"p{at}", [produced(f"{at}-{n}", 1000 * n) for n in range(count)], events=read)
        rows = [
            (received(f"{at}-{n}", 1000 * n + 50), done(f"{at}-{n}", 1000 * n + 90)) for n in range(count)
        ]
        file(folder, f"w{at}", [each for pair in rows for each in pair], events=read)
    run, _ = analysed(folder)
    told = {}
    for block in run.blocks:
        for name, each in block.parties.items():
            told[name] = told.get(name, 0) + (each.messages or 0)
    assert sorted(told.values()) == [30, 30, 170, 170]
    (samples,) = run.samples.values()
    for worker in (0, 1):
        assert told[f"stage-{worker}"] == int((samples["worker"] == worker).sum())
    # A process with a single thread: what it used is what that thread used.
    used = run.blocks[0].parties["stage-0"]
    assert (used.thread_cpu_ns, used.thread_runnable_ns) == (used.cpu_ns, used.runnable_ns)


def test_what_threads_of_one_process_used_each_is_not_guessed(tmp_path):
    folder = tmp_path / "t"
    file(folder, "p", [produced(n, 1000 * n) for n in range(100)])
    rows = [
        (received(n, 1000 * n + 50, thread=n % 2), done(n, 1000 * n + 90, thread=n % 2)) for n in range(100)
    ]
    read = [usage(0, 0, threads=3), usage(100_000, 5_000, threads=3)]
    file(folder, "w", [each for pair in rows for each in pair], events=read)
    run, cell = analysed(folder)
    assert set(run.blocks[0].parties) == {"process-0"}
    assert run.blocks[0].parties["process-0"].thread_cpu_ns is None
    own = {each["name"]: each for each in cell["resources"]}
    for worker in ("stage-0", "stage-1"):
        assert "2 threads that work" in own[worker]["gaps"][worker]
        assert own[worker]["busy_us_per_message"] == pytest.approx(40)


def test_collections_of_garbage_become_events_of_their_block(tmp_path):
    pause = (5000, Kind.PAUSE, 2_000_000, 2, 77)
    run, _ = analysed(pipeline(tmp_path / "t", 200, events=[pause]))
    (event,) = run.blocks[0].events
    assert (event.party, event.kind, event.duration_ns) == ("stage-0", "gc", 2_000_000)
    assert not any(block.events for block in run.blocks[1:])


def test_a_killed_worker_leaves_the_rest_and_the_loss_is_counted(tmp_path):
    folder = pipeline(tmp_path / "t")
    file(folder, "killed", [received("last", 500)], ended=False)
    file(folder, "p2", [produced("last", 450)])
    _, cell = analysed(folder)
    assert cell["account"]["lost"] == 1
    assert cell["verdict"]["bottleneck"] == "compute"
    assert "1 message in such hands counted as lost" in notes(cell)["trace-not-ended"]


@pytest.mark.parametrize("how", ["garbage", "cut"])
def test_a_damaged_file_is_named_and_no_loss_is_guessed_from_it(tmp_path, how):
    folder = pipeline(tmp_path / "t")
    whole = content([received(n, 1) for n in range(50)])
    (folder / "bad.trace").write_bytes(b"\x00\xff" * 4000 if how == "garbage" else whole[:-500])
    # One that the damaged worker may have had.
    file(folder, "p2", [produced("theirs", 450)])
    _, cell = analysed(folder)
    assert "bad.trace" in notes(cell)["trace-damaged"]
    assert cell["account"]["lost"] == 0
    assert cell["validity"]["valid"]


def test_twice_never_and_by_nobody_are_counted(tmp_path):
    folder = pipeline(tmp_path / "t")
    file(folder, "p2", [produced("lost", 450), produced("twice", 460), produced("twice", 470)])
    again = [received("twice", 600), done("twice", 700)]
    file(folder, "w2", again)
    file(folder, "w3", [received("twice", 800), done("twice", 900), received("stranger", 950)])
    _, cell = analysed(folder)
    assert cell["account"]["lost"] == 1
    assert cell["account"]["duplicated"] == 1
    told = [each["message"] for each in cell["validity"]["reasons"] if each["code"] == "trace-unmatched"]
    assert [text.split(" ")[0] for text in told] == ["1", "counted", "1"]
    assert cell["validity"]["valid"]


@pytest.mark.parametrize(
    ("host", "boot", "whose"), [("cccc", "dddd", "2 hosts"), ("aaaa", "dddd", "several boots")]
)
def test_two_clocks_are_refused_with_the_remedy(tmp_path, host, boot, whose):
    folder = pipeline(tmp_path / "t")
    file(folder, "far", [received(1, 5), done(1, 6)], host=host, boot=boot)
    with pytest.raises(RecordError, match=whose) as caught:
        run_of(folder, Told())
    assert "a folder of their own" in caught.value.remedy


def test_two_containers_of_one_host_share_its_clock(tmp_path):
    folder = pipeline(tmp_path / "t", host="another-machine-id")
    assert len(next(iter(run_of(folder, Told()).samples.values()))) == 200


def test_a_trace_of_another_machine_says_so(tmp_path):
    run, _ = analysed(pipeline(tmp_path / "t"))
    assert "cores" not in run.environment
    assert "another machine" in run.environment["warnings"][0]


def test_it_is_saved_and_loaded_like_a_run(tmp_path):
    run, _ = analysed(pipeline(tmp_path / "t"), Told(name="my service", carrier="redis", broker=True))
    folder = save(run, document(run), tmp_path / "results")
    again = load(folder)
    assert again.cells == run.cells
    assert again.blocks == run.blocks
    assert document(again)["cells"] == document(run)["cells"]
    assert folder.name.startswith("my-service-")


def test_a_start_that_is_slower_is_cut_off(tmp_path):
    folder = tmp_path / "t"
    file(folder, "p", [produced(n, 1000 * n) for n in range(600)])
    slow = [received(n, 1000 * n + 50) for n in range(600)]
    ends = [done(n, 1000 * n + (900 if n < 80 else 300) + n % 7) for n in range(600)]
    file(folder, "w", [each for pair in zip(slow, ends, strict=True) for each in pair])
    run, cell = analysed(folder)
    assert 70 <= cell["warmup"] < 200
    assert run.blocks[0].warmup_messages == cell["warmup"]
    fixed, _ = analysed(folder, Told(warmup_s=0.3))
    assert fixed.blocks[0].warmup_messages >= 300


def test_the_command_writes_a_run_that_reports_read(tmp_path):
    folder = pipeline(tmp_path / "t")
    shell = CliRunner()
    out = str(tmp_path / "out")
    arguments = ["analyze", str(folder), "--out", out, "--json", "--carrier", "redis"]
    said = shell.invoke(cli, arguments, standalone_mode=False)
    assert said.exception is None
    assert said.return_value == 0
    told = json.loads(said.stdout)
    assert told["cells"][0]["transport"] == "redis"
    assert "compute 83%" in " ".join(said.stderr.split())
    (home,) = Path(out).iterdir()
    assert json.loads((home / "run.json").read_text()) == told
    again = shell.invoke(cli, ["compare", str(home), str(home)], standalone_mode=False)
    assert again.exception is None
    report = shell.invoke(cli, ["report", str(home), "--out", str(tmp_path / "pages")], standalone_mode=False)
    assert report.exception is None
    assert "traced" in next((tmp_path / "pages").rglob("report.html")).read_text()


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("empty", "no trace is there"),
        ("silent", "hold no mark"),
        ("out", "is a file"),
        ("warmup", "not a duration"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(tmp_path, bad, what):
    folder, out, warmup = tmp_path / "t", tmp_path / "out", "0s"
    folder.mkdir()
    if bad != "empty":
        (folder / "one.trace").write_bytes(content([]))
    if bad == "out":
        out.touch()
    if bad == "warmup":
        warmup = "soon"
    arguments = ["analyze", str(folder), "--out", str(out), "--warmup", warmup]
    failed = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert what in str(failed.exception)
    assert bad == "out" or not out.exists()


def test_marks_in_the_wrong_order_make_the_cell_invalid_and_no_verdict(tmp_path):
    file(tmp_path / "t", "p", [produced(n, 1000 * n) for n in range(100)])
    rows = []
    for n in range(100):
        at = 1000 * n
        rows += [received(n, at + 50), mark(Mark.FINISHED, n, at + 60), mark(Mark.STARTED, n, at + 90)]
        rows.append(done(n, at + 95))
    file(tmp_path / "t", "w", rows)
    _, cell = analysed(tmp_path / "t")
    assert "stamps-disagree" in notes(cell)
    assert not cell["validity"]["valid"]
