"""A strange password, planted wherever a secret may stand, is in no output of any command and in no file."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from test_hiding import forms

from benchkit import cli, hiding, scenario
from benchkit.engine.work import describe
from benchkit.errors import BrokerError, ScenarioError
from benchkit.report.exports import FORMATS
from benchkit.scenario.redact import HIDDEN, recorded, redact

ROOT = Path(__file__).parents[2]
PLANTED = "pl4nt:ed/s3c%r@t'\"q<&>ü"
TOKEN = "t0ken%3A'pl4nted\"<&>"  # noqa: S105  (made up for this test)
ENVIRONMENT = "3nv/pl4nted:w%rd@<&>"
IN_URL = quote(PLANTED, safe="")
HOOK = f"services/h00k-pl4nted/{IN_URL}?key=k3y-pl4nted"
"""Of a webhook the path is the password."""
WORD = "pl4nted"
"""Of every other secret here, so that half of one is found too."""


def leaks(content: str) -> list[str]:
    """The forms of planted secrets in a text, with where they stand."""
    found = []
    for secret in (PLANTED, TOKEN, ENVIRONMENT):
        for name, form in forms(secret).items():
            at = content.find(form)
            if at >= 0:
                found.append(f"{name}: {content[max(0, at - 40) : at + len(form) + 40]!r}")
    for half in ("pl4nt", "s3c%r", "s3c%25", "pl4nted", "3nv/pl4", "h00k", "k3y-"):
        at = content.find(half)
        if at >= 0:
            found.append(f"a half: {content[max(0, at - 60) : at + 60]!r}")
    return found


class _Echo(http.server.BaseHTTPRequestHandler):
    """An inference server that quotes the token that it refuses."""

    def _answer(self) -> None:
        if "services" in self.path:
            # Whoever sends alerts is told its own address, in every place that an answer has.
            self.send_response(307 if "moved" in self.path else 403, self.path)
            self.send_header("Location", f"http://localhost:1{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = json.dumps({"error": f"no such token: {self.headers['Authorization']}"}).encode()
        self.send_response(500)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = _answer  # noqa: N815  (the library's names)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the library's name)
        pass


STAGE = """
import os, sys
SECRET = os.environ["PLANTED_TOKEN"]
print("imported with", SECRET)

def run(arrays):
    print("running with", SECRET, file=sys.stderr, flush=True)
    raise RuntimeError("x" * 490 + " the login with " + SECRET + " failed: " + repr({"auth": SECRET}))
"""


@dataclass(frozen=True)
class Left:
    """What one run said and wrote."""

    said: str
    folder: Path
    everything: str


def _files(folder: Path) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "surrogateescape") for path in folder.rglob("*") if path.is_file()
    )


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """One run in which everything fails that has a secret: refused, silent, wrong, echoed, raised."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "stage.py").write_text(STAGE)
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        stack.callback(echo.server_close)
        stack.callback(echo.shutdown)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            nobody = taken.getsockname()[1]
        at, web = f"127.0.0.1:{nobody}", f"http://127.0.0.1:{echo.server_address[1]}"
        transports = [
            {"kind": "unix"},
            {"kind": "redis-list", "url": f"redis://me:{IN_URL}@{at}/0?client_name={IN_URL}"},
            {"kind": "redis-stream", "url": f"rediss://:{IN_URL}@127.0.0.1:{echo.server_address[1]}/0"},
            {"kind": "redis-list", "client": "plain", "url": f"redis://:{IN_URL}@{at}/0"},
            {"kind": "nats", "url": f"nats://me:{IN_URL}@{at}"},
            {"kind": "nats", "url": f"nats://{IN_URL}@127.0.0.1:{echo.server_address[1]}"},
            {"kind": "rabbitmq", "url": f"amqp://me:{IN_URL}@{at}/v"},
            {"kind": "rabbitmq", "url": f"amqps://me:{IN_URL}@127.0.0.1:{echo.server_address[1]}/v"},
            {"kind": "kserve-http", "url": web, "model": "m", "token": TOKEN},
        ]
        made = {
            "name": "planted", "seed": 1, "source": {"kind": "sensors", "samples": 8, "channels": 2}, "codec": "raw",
            "transport": transports, "stage": {"kind": "python", "target": "stage:run", "path": "."},
            "load": {"arrival": "constant", "rate": "100/s"},
            "blocks": {"rounds": 1, "duration": "100ms", "warmup": "10ms", "warmup_max": "10ms", "drain": "500ms"},
            "alerts": {"rules": [{"rule": "loss"}, {"rule": "threshold", "metric": "benchkit_up", "above": 0.5}],
                       "sinks": [
                "terminal",
                {"sink": "webhook", "url": f"http://me:{IN_URL}@{web[7:]}/{HOOK}"},
                {"sink": "webhook", "form": "plain", "url": f"{web}/moved/{HOOK}"},
                {"sink": "alertmanager", "url": f"http://me:{IN_URL}@{at}/{HOOK}", "attempts": 1},
                {"sink": "prometheus", "port": 0, "token": TOKEN},
            ]},
        }  # fmt: skip
        (folder / "planted.yaml").write_text(yaml.safe_dump(made, allow_unicode=True))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLANTED_TOKEN": ENVIRONMENT}
        done = subprocess.run(
            [sys.executable, "-m", "benchkit", "run", "planted.yaml", "--json", "--no-floors"], cwd=folder,
            env=environment, capture_output=True, encoding="utf-8", errors="surrogateescape", timeout=100, check=False,
        )  # fmt: skip
        silent.close()
    (made_folder,) = (folder / "results").glob("*/run.json")
    yield Left(done.stdout + done.stderr, made_folder.parent, _files(folder / "results"))


def test_the_run_failed_in_every_way_and_says_so_without_a_secret(left: Left) -> None:
    document = json.loads((left.folder / "run.json").read_text("utf-8"))
    said = json.dumps(document["failures"]) + json.dumps(document["cells"])
    for words in (
        "connection refused",
        "Connection refused",
        "the login with",
        "no such token",
        "TLS failed",
    ):
        assert words in said, words
    assert said.count(HIDDEN) >= 5
    for words in ("it answered 403", "it redirects elsewhere (307)", "Connection refused"):
        assert words in json.dumps(document["alerts"]), words
    assert "alerts do not reach webhook at http://127.0.0.1:" in left.said
    assert leaks(left.said) == []
    assert leaks(left.everything) == []


COMMANDS = {
    "report": ("report", "{run}"),
    "report --json": ("report", "{run}", "--json"),
    "report of a folder": ("report", "{results}"),
    "compare": ("compare", "{run}", "{run}"),
    "kpi": ("kpi", "{results}"),
    "kpi --json": ("kpi", "{results}", "--json"),
    "watch": ("watch", f"redis://me:{IN_URL}@127.0.0.1:1", "--list", "q", "--for", "1s"),
    "watch AMQP": (
        "watch", f"amqp://me:{IN_URL}@127.0.0.1:1", "--queue", "q", "--management", f"http://me:{IN_URL}@127.0.0.1:1",
    ),
    "watch what is no management": (
        "watch", f"amqp://me:{IN_URL}@127.0.0.1:1", "--queue", "q", "--management", f"htp://me:{PLANTED}@h",
    ),
    "watch NATS": ("watch", f"nats://{IN_URL}@127.0.0.1:1", "--stream", "s"),
    "watch what is no target": ("watch", f"x=redus://me:{PLANTED}@h", "--list", "q"),
    "watch a folder that is none": ("watch", f"trace:/password={PLANTED}"),
    "watch with a wrong webhook": ("watch", "trace:{results}", "--webhook", f"htp://h/{HOOK}"),
    "watch with wrong rules": ("watch", "trace:{results}", "--rules", "{rules}"),
    "list": ("list",),
    "list --json": ("list", "transports", "--json"),
    "schema": ("schema",),
    "no such option": ("run", "x.yaml", f"--password={PLANTED}", f"--tokne {TOKEN}"),
    "no such scenario": ("run", f"redis://:{IN_URL}@h/x.yaml"),
    "a misspelt override": ("run", "{scenario}", "--dry-run", "--set", f"transport.ulr=redis://:{IN_URL}@h"),
    "an override": (
        "run", "{scenario}", "--dry-run", "--set", f"transport.url=redis://:{IN_URL}@h", "--only", "transport=unix",
    ),
    "a dry run": ("run", "{scenario}", "--dry-run"),
    "no trace": ("analyze", f"{{results}}/password={PLANTED}"),
    **{f"export {name}": ("export", "{run}", "--format", name) for name in FORMATS},
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_tells(
    name: str, left: Left, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that know of no secret any more and read what was written."""
    monkeypatch.setattr(hiding, "_known", set())
    monkeypatch.setattr(hiding, "_forms", [])
    monkeypatch.setenv("PLANTED_TOKEN", ENVIRONMENT)
    monkeypatch.chdir(left.folder.parent.parent)
    places = {
        "run": left.folder,
        "results": left.folder.parent,
        "scenario": "planted.yaml",
        "rules": "rules.yaml",
    }
    Path("rules.yaml").write_text(
        f"sinks: [{{sink: prometheus, token: '{TOKEN}', adress: x}}, {{sink: webhook, url: 'htp://h/{HOOK}'}}]"
    )
    words = [word.format(**places) if word.startswith(("{", "trace:{")) else word for word in COMMANDS[name]]
    monkeypatch.setattr(sys, "argv", ["benchkit", *words])
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit):
        cli.main()
    told = capfd.readouterr()
    assert leaks(told.out + told.err) == []
    assert "Traceback" not in told.err
    assert leaks(_files(left.folder)) == []


BESIDE = {
    "a tab": "\t- x",
    "an unknown key": "pasword: {p}",
    "a second document": "---\nx: 1",
    "an unknown alias": "stage: *{w}",
    "a tag": "stage: !{w} x",
    "a wrong option": "load: {{arrival: constant, rate: '{p}'}}",
    "a wrong kind": "codec: '{p}'",
    "twice": "name: a\nname: '{p}'",
    "a broken quote": 'stage: "{w}',
    "not UTF-8": "\udcff",
    "a wrong type": "blocks: '{p}'",
    "an unknown option": "codec: {{kind: raw, '{p}': 1}}",
}


@pytest.mark.parametrize("beside", BESIDE)
def test_a_mistake_beside_a_password_is_said_without_it(
    beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiding, "_known", set())
    monkeypatch.setattr(hiding, "_forms", [])
    lines = (
        "name: x\nsource: sensors\nstage: 'null'\nload: {arrival: constant, rate: 5/s}\n"
        f"transport: {{kind: redis-list, url: 'redis://me:{IN_URL}@h/0'}}\n"
        f"# password: {json.dumps(PLANTED)}\n"
    )
    wrong = BESIDE[beside].format(p=PLANTED.replace("'", "''"), w="h0rse-pl4nted")
    text = f"# token: h0rse-pl4nted\n{lines}{wrong}\n"
    (tmp_path / "s.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ScenarioError) as caught:
        scenario.load(tmp_path / "s.yaml")
    assert leaks(str(caught.value)) == []


def test_an_option_that_is_called_so_is_hidden_though_its_author_took_plain_text() -> None:
    options = {
        "kind": "x",
        "password": "short",
        "db_token": "a",
        "nested": [{"api_key": "b"}],
        "token_header": "X-Key",
    }
    assert recorded(options, Path()) == {
        "kind": "x", "password": HIDDEN, "db_token": HIDDEN, "nested": [{"api_key": HIDDEN}], "token_header": "X-Key",
    }  # fmt: skip


def test_errors_of_ours_that_a_plug_in_raises_are_read_too() -> None:
    error = BrokerError(f"tried redis://me:{IN_URL}@h:1\nand gave up", where="x", remedy="y")
    assert leaks(json.dumps(describe(error))) == []
    assert "and gave up" in describe(error)["what"]


@pytest.mark.parametrize(
    "quoted", [PLANTED, quote(PLANTED), IN_URL, quote_plus(PLANTED), quote(IN_URL, safe="")]
)
def test_a_url_is_redacted_whatever_its_password_holds(quoted: str) -> None:
    assert leaks(redact(f"cannot reach redis://me:{quoted}@host:6379/0")) == []


def test_a_traceback_of_ours_is_printed_without_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in benchkit itself: the traceback quotes what it was called with."""
    monkeypatch.setattr(hiding, "_known", set())
    monkeypatch.setattr(hiding, "_forms", [])

    def broken(**_: object) -> None:
        raise ZeroDivisionError(f"called with {PLANTED!r} and {ENVIRONMENT}")

    monkeypatch.setenv("PLANTED_TOKEN", ENVIRONMENT)
    monkeypatch.setattr(cli, "cli", broken)
    monkeypatch.setattr(sys, "argv", ["benchkit", "run", "--set", f"transport.password={PLANTED}"])
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit):
        cli.main()
    told = textwrap.dedent(capfd.readouterr().err)
    assert "ZeroDivisionError: called with" in told
    assert leaks(told) == []
