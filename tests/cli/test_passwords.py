"""A password in a Redis URL appears in no output, no file and no log, whether it works or not."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from shell import Done, await_line, benchkit, measure, messages_of, small, start

from benchkit.runtime.folders import run_folder
from benchkit.transports._redis.connect import connect, inspect
from benchkit.transports._redis.valkey import Embedded, embedded

PASSWORD = "pl4nted/s3cret:w?rd"  # noqa: S105  (made up for this test)
WRONG = "wr0ng/s3cret:w?rd"
BLOCKS = {"rounds": 1, "duration": "150ms", "warmup": "20ms", "drain": "1s"}


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def url(self, password: str = PASSWORD) -> str:
        return f"redis://default:{quote(password, safe='')}@127.0.0.1:{self.port}/0"


def protected(folder: Path) -> Iterator[Server]:
    """A server of the user's own that wants a password."""
    with embedded(folder) as broker:
        port = _port(broker)
        resp = connect(broker.url("unix"))
        pid = inspect(resp, broker.url("unix")).pid
        resp.call("CONFIG", "SET", "requirepass", PASSWORD)
        resp.close()
        yield Server(port, pid)


def _port(broker: Embedded) -> int:
    return int(broker.url("tcp").rpartition(":")[2])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with run_folder() as (_, folder):
        yield from protected(folder)


@pytest.fixture
def mortal() -> Iterator[Server]:
    """One for a test that kills it."""
    with run_folder() as (_, folder):
        yield from protected(folder)


def leaks(done: Done) -> list[str]:
    """Every spelling of a planted password that can be found anywhere."""
    everything = done.everything() + _private_files()
    spellings = {
        form
        for word in (PASSWORD, WRONG)
        for form in (word, quote(word), quote(word, safe=""), repr(word)[1:-1])
    }
    return [form for form in sorted(spellings) if form in everything]


def _private_files() -> str:
    base = Path(tempfile.gettempdir()) / f"benchkit-{os.getuid()}"
    files = [path for path in base.rglob("*") if path.is_file() and "valkey" not in path.parts]
    return "".join(path.read_bytes().decode("latin-1") for path in files)


@pytest.fixture(scope="module")
def refusals(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """All at the same time: the one that never answers takes its five seconds."""
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            nobody = int(taken.getsockname()[1])
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        stack.callback(web.server_close)
        stack.callback(web.shutdown)
        urls = {
            "silent": Server(int(silent.getsockname()[1]), 0).url(),
            "refused": Server(nobody, 0).url(),
            "no password": f"redis://127.0.0.1:{server.port}/0",
            "wrong password": server.url(WRONG),
            "http": Server(int(web.server_address[1]), 0).url(),
            "tls": server.url().replace("redis://", "rediss://"),
            "no port": f"redis://default:{quote(PASSWORD, safe='')}@127.0.0.1:port/0",
            "scheme": server.url().replace("redis://", "rabbit://"),
        }
        yield _all_of(urls, tmp_path_factory)


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the library's name)
        pass


def _all_of(urls: dict[str, str], factory: pytest.TempPathFactory) -> dict[str, Done]:
    folders = {name: factory.mktemp("refused") for name in urls}
    processes = {
        name: start("run", small(folders[name], transport=[{"kind": "redis-list", "url": url}], blocks=BLOCKS),
                    "-q", "--out", folders[name] / "out")
        for name, url in urls.items()
    }  # fmt: skip
    done = {}
    for name, process in processes.items():
        stdout, stderr = process.communicate(timeout=60)
        done[name] = Done(process.returncode, stdout, stderr, folders[name] / "out")
    return done


WORDS = {
    "silent": ("answers within", "remedy"),
    "refused": ("connection refused", "remedy"),
    "no password": ("password", "remedy"),
    "wrong password": ("password", "remedy"),
    "http": ("speaks no Redis", "remedy"),
    "tls": ("remedy",),
    "no port": ("remedy",),
    "scheme": ("not a Redis URL", "remedy"),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_is_wrong_with_a_url_is_said_without_its_password(refusals: dict[str, Done], name: str) -> None:
    done = refusals[name]
    assert leaks(done) == []
    assert "Traceback" not in done.said
    assert done.code in {2, 4}, done.said
    if done.code == 4:
        said = " ".join(done.said.split())
        assert [word for word in WORDS[name] if word not in said] == [], done.said
        assert "127.0.0.1" in said or name in {"no port", "scheme"}


def test_a_password_that_works_is_nowhere(server: Server, tmp_path: Path) -> None:
    transports = [{"kind": kind, "url": server.url()} for kind in ("redis-list", "redis-stream")]
    done = measure(small(tmp_path, transport=transports, blocks=BLOCKS), tmp_path / "out")
    assert done.code in {0, 3}, done.said
    assert {cell["transport"] for cell in done.document["cells"]} == {"redis-list", "redis-stream"}
    assert all(cell["account"]["delivered"] for cell in done.document["cells"])
    assert leaks(done) == []


def test_nor_on_the_command_line_of_the_tool_itself(server: Server, tmp_path: Path) -> None:
    scenario = small(tmp_path, transport=["redis-list", "unix"], blocks=BLOCKS)
    override = ("--set", f"transport.url={server.url()}")
    done = measure(scenario, tmp_path / "out", "--only", "transport=redis-list", *override)
    assert leaks(done) == []
    plan = benchkit("run", scenario, "--dry-run", *override, "--set", "blocs=1", out=tmp_path / "out")
    assert plan.code == 2
    assert leaks(plan) == []


def test_nor_where_the_server_dies_in_the_middle(mortal: Server, tmp_path: Path) -> None:
    blocks = {**BLOCKS, "rounds": 3, "duration": "300ms"}
    transports = [{"kind": kind, "url": mortal.url()} for kind in ("redis-list", "redis-stream")]
    process = start("run", small(tmp_path, transport=transports, blocks=blocks), "--out", tmp_path / "out")
    await_line(process, "measuring: 2/6")
    os.kill(mortal.pid, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=60)
    done = Done(process.returncode, stdout, stderr, tmp_path / "out")
    assert done.code == 4, done.said
    assert "Traceback" not in done.said
    assert leaks(done) == []
    assert "broker" in messages_of(done.document["cells"]) + str(done.document["failures"])
