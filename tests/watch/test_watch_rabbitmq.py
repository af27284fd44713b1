"""RabbitMQ queues of one real server, with its management API: what is true is seen, and nothing is consumed."""

from __future__ import annotations

import base64
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from watched import Kept, queue, value, watching

from benchkit.errors import BrokerError, UsageError
from benchkit.runtime.folders import run_folder
from benchkit.transports._rabbitmq import server as servers
from benchkit.transports._rabbitmq.connect import opened as connected
from benchkit.transports.rabbitmq import Rabbitmq as Transport
from benchkit.watch.rabbitmq import Rabbitmq
from benchkit.watch.rabbitmq_api import Management

LACKING = Transport.lacks()
needs_server = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
LOOKS = 200
"""The server samples its figures five times a second here: so many looks are a while."""


@dataclass(frozen=True)
class Server:
    """One that has the management plug-in."""

    url: str
    management: str
    pid: int
    home: Path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ordinary, surroundings = servers._configuration, servers._environment
    more = (
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\ncollect_statistics_interval = 200\n"
        "default_user_tags.management = true\n"
    )

    def with_plugin(home: Path, *words: Any) -> dict[str, str]:
        (home / "enabled").write_text("[rabbitmq_management].\n")
        return {**surroundings(home, *words), "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled")}

    with run_folder() as (_, private), pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "_configuration", lambda *words: ordinary(*words) + more)
        patch.setattr(servers, "_environment", with_plugin)
        with servers.private(private) as running:
            yield Server(running.url, f"http://127.0.0.1:{port}", running.pid, private / "rabbitmq")


class Producer:
    """A producer and a worker whose truth is known."""

    def __init__(self, url: str) -> None:
        self.connection = connected(url)
        self.channel = self.connection.channel()
        self.channel.confirm_select()

    def queue(self, name: str) -> None:
        self.channel.queue_delete(name)
        self.channel.queue_declare(name, auto_delete=False)

    def put(self, name: str, count: int, **properties: Any) -> None:
        import amqp

        for n in range(count):
            self.channel.basic_publish_confirm(amqp.Message(f"{n}", **properties), routing_key=name)

    def take(self, name: str) -> int:
        return self.channel.basic_get(name).delivery_tag

    def ack(self, tag: int) -> None:
        self.channel.basic_ack(tag)


@pytest.fixture
def producer(server) -> Iterator[Producer]:
    made = Producer(server.url)
    made.queue("frames")
    yield made
    # The last test leaves no server behind.
    with suppress(OSError, made.connection.connection_errors):
        made.channel.queue_delete("frames")
        made.connection.close()
    made.connection.collect()


@pytest.fixture
def opened(server) -> Iterator[Callable[..., Rabbitmq]]:
    with ExitStack() as running:

        def make(*queues: str, management: bool = False) -> Rabbitmq:
            probe = Rabbitmq(server.url, queues, server.management if management else None)
            running.callback(probe.close)
            probe.open()
            probe.check()
            return probe

        yield make


def until(probe: Rabbitmq, holds: Callable[[Any], bool]) -> Any:
    """Looks until the server's last sample says so."""
    for _ in range(LOOKS):
        (found,) = probe.look().queues
        if holds(found):
            return found
    raise AssertionError(found)


@needs_server
def test_a_passive_declaration_tells_what_is_ready_and_who_consumes(producer, opened):
    producer.put("frames", 7)
    probe = opened("frames")
    (found,) = probe.look().queues
    assert (found.depth, found.consumers, found.pending, found.handled, found.oldest_s) == (7, 0, None, None, None)
    assert "--management" in found.note
    producer.take("frames")
    (found,) = probe.look().queues
    assert found.depth == 6
    assert probe.look().queues[0].depth == 6


@needs_server
def test_the_management_api_tells_the_rest(producer, opened):
    began = int(time.time())
    producer.put("frames", 9, timestamp=began - 60)
    tags = [producer.take("frames") for _ in range(4)]
    producer.ack(tags[0])
    probe = opened("frames", management=True)
    found = until(probe, lambda each: each.pending == 3 and each.handled == 1 and each.arrived == 9)
    assert found.depth == 8
    assert found.oldest_s >= 60
    assert found.oldest_s < 60 + 60
    assert (found.note, found.consumers) == ("", 0)
    for tag in tags[1:]:
        producer.ack(tag)
    found = until(probe, lambda each: each.pending == 0 and each.handled == 4)
    assert found.depth == 5


@needs_server
def test_nothing_is_consumed_or_redelivered(producer, opened):
    producer.put("frames", 5)
    tag = producer.take("frames")
    probe = opened("frames", management=True)
    for _ in range(10):
        probe.look()
    until(probe, lambda each: each.pending == 1)
    producer.channel.basic_reject(tag, requeue=True)
    left = [producer.channel.basic_get("frames") for _ in range(5)]
    assert [each.body for each in left] == ["0", "1", "2", "3", "4"]
    # The first one was taken by the test; no other was ever delivered.
    assert [each.delivery_info["redelivered"] for each in left] == [True, False, False, False, False]


@needs_server
def test_a_queue_that_is_missing_is_refused_first_and_told_as_gone_later(producer, opened, server):
    with pytest.raises(UsageError, match="queue none: there is no such queue"):
        opened("none")
    alerts = Kept({"rule": "dead"})
    with watching(Rabbitmq(server.url, ("frames",)), alerts) as watch:
        watch.round()
        producer.channel.queue_delete("frames")
        watch.round()
        assert alerts.said() == [("firing", "dead", "queue frames")]
        producer.queue("frames")
        watch.round()
        assert alerts.said()[1:] == [("resolved", "dead", "queue frames")]


@needs_server
def test_a_stalled_worker_is_alerted_and_its_recovery_told(producer, server):
    """Each round is ten seconds of the rules' time, in which the server's figures are as they were told."""
    alerts = Kept({"rule": "stalled", "window": "25s", "clear": "0s"}, step_s=10.0)
    producer.put("frames", 4)
    probe = Rabbitmq(server.url, ("frames",), server.management)
    with watching(probe, alerts) as watch:
        producer.ack(producer.take("frames"))
        for _ in range(LOOKS):
            if queue(watch.round(), "frames").handled == 1:
                break
        alerts.notices.clear()
        for _ in range(4):
            producer.put("frames", 1)
            watch.round()
        assert alerts.said()[:1] == [("firing", "stalled", "frames")]
        producer.ack(producer.take("frames"))
        for _ in range(LOOKS):
            if queue(watch.round(), "frames").handled == 2:
                break
        assert ("resolved", "stalled", "frames") in alerts.said()


@needs_server
def test_a_management_api_that_refuses_is_a_note_and_the_rest_is_still_seen(producer, server):
    producer.put("frames", 2)
    wrong = server.management.replace("://", "://benchkit:hunter2@")
    probe = Rabbitmq(server.url, ("frames",), wrong)
    probe.open()
    try:
        look = probe.look()
    finally:
        probe.close()
    assert look.queues[0].depth == 2
    assert {each.name: each.alive for each in look.parties}["management"] is False
    assert "refuses this user or password" in look.notes[0]
    assert "hunter2" not in str(look)


@needs_server
def test_no_error_holds_the_password(server):
    wrong = server.url.replace(server.url.partition("@")[0].rpartition(":")[2], "s3cr%24t-hunter2")
    with pytest.raises(BrokerError, match="refuses this user or password") as caught:
        Rabbitmq(wrong, ("frames",)).open()
    assert "hunter2" not in str(caught.value)


class _Answers(BaseHTTPRequestHandler):
    status, content, seen = 200, b"{}", [""]

    def do_GET(self) -> None:
        self.seen[:] = [self.path, self.headers.get("Authorization", "")]
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[tuple[type[_Answers], str]]:
    """A management API that answers what a test wants."""
    answers = type("Answers", (_Answers,), {"seen": []})
    with HTTPServer(("127.0.0.1", 0), answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield answers, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (302, b"{}", "redirects, which is not followed"), (401, b"{}", "refuses this user or password"),
        (500, b"{}", "answers 500"), (200, b"[" * 100_000, "answers something else"), (200, b"[]", "something else"),
        (200, b'{"x": "' + b"y" * (2 << 20) + b'"}', "something else"), (200, b"\xff", "something else"),
    ],
)  # fmt: skip
def test_whatever_the_api_answers_is_an_error_with_its_place(api, status, content, words):
    answers, url = api
    answers.status, answers.content = status, content
    with pytest.raises(BrokerError, match=words) as caught:
        Management(url, "user", "hunter2", "/").queue("q")
    assert caught.value.where == url
    assert "hunter2" not in str(caught.value)


def test_names_are_escaped_and_the_password_goes_into_the_header_alone(api):
    answers, url = api
    told = Management(url.replace("://", "://u:p%40ss@") + "/base/", "x", "y", "a/b").queue("q?#/%")
    assert told == {}
    path, header = answers.seen
    assert path.partition("?")[0] == "/base/api/queues/a%2Fb/q%3F%23%2F%25"
    assert base64.b64decode(header.removeprefix("Basic ")) == b"u:p@ss"


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://h:99999999", "http://u:p/x@h", "http://h?x=1", "h:1"])
def test_a_url_that_is_none_is_refused_without_being_quoted(url):
    with pytest.raises(UsageError) as caught:
        Management(url, "u", "p", "/")
    assert url not in str(caught.value)


@needs_server
def test_a_server_that_hangs_and_one_that_is_killed_are_alerted(producer, server):
    """The last test of this module: the server is gone after it. That one comes back is shown with Redis and NATS."""
    alerts = Kept({"rule": "dead"})
    with watching(Rabbitmq(server.url, ("frames",)), alerts) as watch:
        assert value(watch.round(), "benchkit_up", "broker") == 1
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        (process,) = [each for each in family if each.name() == "beam.smp"]
        process.send_signal(signal.SIGSTOP)
        watch._patience_ns = 500_000_000
        assert "no answer" in watch.round().targets[0].why
        process.send_signal(signal.SIGCONT)
        watch._patience_ns = int(30e9)
        watch.round()
        assert alerts.said() == [("firing", "dead", "broker"), ("resolved", "dead", "broker")]
        process.send_signal(signal.SIGKILL)
        psutil.wait_procs([process])
        assert value(watch.round(), "benchkit_up", "broker") == 0
        assert "cannot connect" in watch.round().targets[0].why
        assert alerts.said()[2:] == [("firing", "dead", "broker")]
