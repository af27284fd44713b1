"""`benchkit watch` as people use it: what it prints, how it ends, and that no secret gets out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchkit.alerts import Notice
from benchkit.cli.watch_view import lines, table
from benchkit.runtime.folders import run_folder
from benchkit.trace.layout import Mark
from benchkit.trace.ring import Ring
from benchkit.transports._redis import valkey
from benchkit.transports._redis.connect import connect
from benchkit.watch.base import Look, Party, Queue
from benchkit.watch.observing import Flow, Observing
from benchkit.watch.rates import Rates
from benchkit.watch.watch import Round, Seen

ROOT = Path(__file__).parents[2]
SECRET = "s3cr%2524t-hunter2"  # noqa: S105  (made up for this test)
S = 1_000_000_000


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "benchkit", "watch", *map(str, words)]


def environment() -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return {
        **plain,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), capture_output=True, text=True, check=False, env=environment(), timeout=100
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_folder() as (_, folder), valkey.embedded(folder) as broker:
        resp = connect(broker.url("unix"))
        resp.call("RPUSH", "frames", "a", "b", "c")
        resp.call("XGROUP", "CREATE", "events", "workers", 0, "MKSTREAM")
        resp.call("XADD", "events", "*", "m", 1)
        resp.close()
        yield broker.url("unix")


def test_json_is_one_line_a_round_and_rules_of_a_file_are_those_of_a_run(url, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "alerts:\n  rules:\n    - {rule: threshold, name: deep, metric: benchkit_queue_depth, above: 2}\n"
    )
    done = run(
        f"cameras={url}", "--list", "frames", "--stream", "events", "--rules", rules, "--every", "200ms",
        "--for", "500ms", "--json", "--fail-on-alert",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert 2 <= len(rounds) <= 4
    (target,) = rounds[0]["targets"]
    assert (target["pipeline"], target["up"]) == ("cameras", True)
    assert {each["queue"]: each["depth"] for each in target["queues"]} == {"frames": 3, "events/workers": 1}
    (notice,) = [each for one in rounds for each in one["notices"]]
    assert (notice["state"], notice["rule"], notice["labels"]["queue"]) == ("firing", "deep", "frames")
    assert "ALERT deep: benchkit_queue_depth is 3, above 2" in done.stderr
    password = url.partition("@")[0].rpartition(":")[2]
    assert password not in done.stdout + done.stderr


def test_without_a_terminal_lines_are_printed_and_a_quiet_watch_ends_well(url):
    done = run(url, "--list", "frames", "--for", "0s", "--fail-on-alert")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert " frames: depth 3, " in line
    assert url.partition("@")[2] in line
    assert url.partition("@")[0].rpartition(":")[2] not in line


def test_urls_of_the_environment_are_used_and_shown_nowhere(url, tmp_path, monkeypatch):
    """`env:NAME` for a target, an option and a sink of a rules file: no password among the processes' words."""
    monkeypatch.setenv("CAMERAS", url)
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/services/T0-hunter2-B0")
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules: [{rule: threshold, name: deep, metric: benchkit_queue_depth, above: 2}]\n"
        "sinks: [terminal, {sink: webhook, url: 'env:HOOK', attempts: 1}]\n"
    )
    done = run(
        "cameras=env:CAMERAS", "--list", "frames", "--for", "0s", "--rules", rules, "--alertmanager", "env:HOOK"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cameras frames: depth 3, " in done.stdout
    assert "alerts do not reach webhook at http://127.0.0.1:1/***" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert url.partition("@")[0].rpartition(":")[2] not in done.stdout + done.stderr


def test_ctrl_c_ends_it_well(tmp_path):
    with subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        writer = Ring(tmp_path, "camera", 1 << 16)
        writer.write(Mark.PRODUCED, 1)
        assert process.stdout is not None
        assert "hop-0: depth 1" in next(line for line in process.stdout if "hop-0" in line)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    writer.release()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((f"redis://:{SECRET}@127.0.0.1:1/0", "--list", "x"), 4, "cannot connect to the broker"),
        ((f"amqp://u:{SECRET}@127.0.0.1:1/v", "--queue", "x"), 4, "cannot connect to the broker"),
        ((f"nats://u:{SECRET}@127.0.0.1:1", "--stream", "x"), 4, "cannot connect to the broker"),
        (("trace:/nowhere",), 4, "No such file"),
        ((f"redis://:{SECRET}@h",), 2, "which key?"),
        ((f"amqp://u:{SECRET}@h/v",), 2, "which queue?"),
        ((f"nats://u:{SECRET}@h",), 2, "which stream?"),
        ((f"kafka://u:{SECRET}@h", "--list", "x"), 2, "no target that can be watched"),
        ((f"redis://u:{SECRET}/x@h", "--list", "x"), 2, "not a Redis URL"),
        (("env:NOWHERE_SET", "--list", "x"), 2, "the environment has no NOWHERE_SET"),
        ((f"env:redis://:{SECRET}@h", "--list", "x"), 2, "the name of a variable"),
        ((".", "--webhook", "env:NOWHERE_SET"), 2, "url: the environment has no NOWHERE_SET"),
        ((), 2, "nothing to watch"),
        ((".", "--queue", "x"), 2, "--queue: no target is a RabbitMQ"),
        ((".", "."), 2, "given twice"),
        ((".", "--every", "1ms"), 2, "more often"),
        ((".", "--for", "soon"), 2, "not a duration"),
        ((".", "--rules", "/nowhere.yaml"), 2, "nowhere.yaml"),
        ((".", "--webhook", f"ftp://{SECRET}@h"), 2, "alerts"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_with_its_code_and_without_secrets(words, code, said):
    """In this process: the console script's way from an error to an exit code."""
    from click.testing import CliRunner

    from benchkit.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchkit", "watch", *words])
        runner = CliRunner()
        with runner.isolation() as streams, pytest.raises(SystemExit) as ended:
            main()
        printed = b"".join(stream.getvalue() for stream in streams[:2]).decode()
    assert ended.value.code == code, printed
    assert said in printed
    assert "hunter2" not in printed
    assert "Traceback" not in printed


def a_round() -> Round:
    """Everything that can be shown: names that are too long, unknowns, bounds, who is gone."""
    queues = (
        Queue("frames", 12_345_678, 12.0, at_least=True),
        Queue("a-stream-with-a-long-name/and-a-group-with-one", 0, 0.0, pending=0, consumers=2),
        Queue(
            "events/workers", 17, 7200.0, pending=3, consumers=1, note="the oldest is frame-7, not received"
        ),
        Queue("\x1b[31mred", None, None),
    )
    flows = {
        queues[0].name: Flow(None, None, 123.4), queues[1].name: Flow(1234.5, 0.25, 0.0),
        queues[2].name: Flow(0.0, 0.0, -3.0), queues[3].name: Flow(),
    }  # fmt: skip
    parties = (Party("broker", True), Party("worker-0", False, 3.0, 3.0, note="process 7 was killed"))
    parties += tuple(Party(f"w{n}", None, idle_s=100.0 + n) for n in range(20))
    return Round(
        5 * S,
        (
            Seen("redis://127.0.0.1:6379/0", Look(queues, parties, ("a note",)), "", flows),
            Seen("nats://127.0.0.1:4222", None, "cannot connect to the broker: Connection refused", {}),
        ),
        (Notice("firing", "dead", {"party": "worker-0"}, 1.0, 0, 5 * S, "worker-0 is gone"),),
        (),
    )


def test_the_table_fits_80_columns_and_says_what_is_unknown():
    console = Console(width=80, force_terminal=True, color_system=None, record=True, file=StringIO())
    console.print(table(a_round(), 2, "every 1 s, Ctrl-C ends"))
    shown = console.export_text()
    rows = shown.splitlines()
    assert max(map(len, rows)) <= 80
    text = " ".join(shown.split())
    assert "redis://127.0.0.1:6379/0 worker-0 GONE idle 3 s broker up" in text
    assert "and 14 more" in text
    assert "frames 12,345,678 +123.4 >12.0 s ? ? ? ?" in text
    assert "events/workers 17 -3.0 2 h 0 0 3 1" in text
    assert "1,234 0.25 0 2" in text
    assert "nats://127.0.0.1:4222 DOWN cannot connect" in text
    assert "\x1b[31m" not in shown
    assert rows[-1].startswith("2 firing - every 1 s")


def test_lines_say_the_same():
    said = list(lines(a_round(), 5.0))
    assert said[0] == (
        "[   5.0 s] redis://127.0.0.1:6379/0 frames: depth 12,345,678, grows/s +123.4, oldest >12.0 s, "
        "in/s ?, out/s ?, pending ?, cons. ?"
    )
    assert said[-2] == "[   5.0 s] redis://127.0.0.1:6379/0 worker-0: GONE, process 7 was killed"
    assert said[-1].endswith("nats://127.0.0.1:4222: DOWN, cannot connect to the broker: Connection refused")
    assert all(line.isprintable() for line in said)


def test_rates_are_over_the_last_seconds_and_begin_anew_with_their_counter():
    rates = Rates(window_s=5.0)
    assert rates.feed("x", 100, 0) is None
    assert rates.feed("x", 110, S) == 10
    assert rates.feed("x", 110, 2 * S) == 5
    for second in range(3, 20):
        found = rates.feed("x", 110 + 2 * (second - 2), second * S)
    assert found == 2
    assert rates.feed("x", 3, 20 * S) is None
    assert rates.feed("x", 4, 21 * S) == 1
    assert rates.feed("y", 9, S) is None
    assert rates.feed("y", 4, 2 * S, falls=True) == -5


def test_a_series_that_ends_is_said_to_be_over_but_silence_of_a_server_ends_none():
    observing = Observing("p")
    first = observing.seen(Look((Queue("a", 1), Queue("b", 2)), (Party("broker", True),)), S)
    assert {(each.metric, each.labels.get("queue")): each.value for each in first} == {
        ("benchkit_up", None): 1.0, ("benchkit_queue_depth", "a"): 1.0, ("benchkit_queue_depth", "b"): 2.0,
    }  # fmt: skip
    (down,) = observing.unseen("broker", 2 * S)
    assert (down.metric, down.value) == ("benchkit_up", 0.0)
    second = observing.seen(Look((Queue("a", 1),), (Party("broker", True),)), 3 * S)
    assert [each.labels["queue"] for each in second if each.value != each.value] == ["b"]
    assert not [
        each for each in observing.seen(Look((Queue("a", 1),)), 4 * S) if each.labels.get("queue") == "b"
    ]
