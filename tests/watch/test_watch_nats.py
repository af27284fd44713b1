"""JetStream streams and consumers of a real server: what is true is seen, and nothing is consumed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from watched import Kept, queue, value, watching

from benchkit.errors import BrokerError, UsageError
from benchkit.runtime.child import child
from benchkit.runtime.folders import run_folder
from benchkit.transports._nats import server as servers
from benchkit.transports._nats.connect import connect
from benchkit.transports._nats.wire import Wire, publish
from benchkit.transports.nats import Nats as Transport
from benchkit.watch.nats import Nats, _moment

LACKING = Transport.lacks()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
INBOX = b"tests.inbox"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_folder() as (_, folder), servers.private(folder) as running:
        yield running.url


class Stream:
    """A stream with a producer and a worker whose truth is known."""

    def __init__(self, wire: Wire, name: str, retention: str = "limits") -> None:
        self.wire, self.name = wire, name
        config = {"name": name, "subjects": [f"{name}.>"], "storage": "memory", "retention": retention}
        wire.ask(f"$JS.API.STREAM.CREATE.{name}", config, INBOX)

    def consumer(self, name: str, ack: str = "explicit") -> None:
        config = {"durable_name": name, "ack_policy": ack, "deliver_policy": "all"}
        body = {"stream_name": self.name, "config": config}
        self.wire.ask(f"$JS.API.CONSUMER.DURABLE.CREATE.{self.name}.{name}", body, INBOX)

    def put(self, count: int, nbytes: int = 10) -> None:
        for _ in range(count):
            self.wire.ask(f"{self.name}.m", {"x": "y" * nbytes}, INBOX)

    def take(self, consumer: str) -> bytes:
        """Where to acknowledge the one message that is taken."""
        self.wire.write(b"SUB tests.pull 7\r\nUNSUB 7 1\r\n")
        self.wire.write(publish(f"$JS.API.CONSUMER.MSG.NEXT.{self.name}.{consumer}".encode(), b"", b"tests.pull"))
        while not (message := self.wire.message()):
            pass
        self.wire.text(message)
        return message.reply

    def ack(self, reply: bytes) -> None:
        self.wire.write(publish(reply, b"+ACK"))
        self.wire.flush()

    def state(self) -> dict:
        """All that the server tells of it and of its consumers, less the moments of the answers."""
        told = self.wire.ask(f"$JS.API.STREAM.INFO.{self.name}", {"deleted_details": True}, INBOX)
        consumers = self.wire.ask(f"$JS.API.CONSUMER.LIST.{self.name}", {"offset": 0}, INBOX)["consumers"]
        return json.loads(json.dumps([told["state"], [{**each, "ts": ""} for each in consumers]]))


@pytest.fixture
def stream(url) -> Iterator[Callable[..., Stream]]:
    wire = connect(url)
    made: list[str] = []

    def make(name: str, retention: str = "limits") -> Stream:
        made.append(name)
        return Stream(wire, name, retention)

    yield make
    for name in made:
        wire.ask(f"$JS.API.STREAM.DELETE.{name}", inbox=INBOX)
    wire.close()


@pytest.fixture
def opened(url) -> Iterator[Callable[..., Nats]]:
    with ExitStack() as running:

        def make(*streams: str, consumers: tuple[str, ...] = ()) -> Nats:
            probe = Nats(url, streams, consumers)
            running.callback(probe.close)
            probe.open()
            probe.check()
            return probe

        yield make


def test_a_stream_without_consumers(stream, opened):
    frames = stream("FRAMES")
    probe = opened("FRAMES")
    assert [(each.depth, each.oldest_s) for each in probe.look().queues] == [(0, 0.0)]
    before = time.time()
    frames.put(3)
    (found,) = probe.look().queues
    assert (found.name, found.depth, found.arrived, found.consumers) == ("FRAMES", 3, 3, 0)
    assert 0 <= found.oldest_s <= time.time() - before + 0.1


def test_a_consumer_waits_for_what_is_pending_and_what_was_not_delivered(stream, opened):
    frames = stream("FRAMES")
    frames.consumer("workers")
    frames.put(5)
    probe = opened("FRAMES")
    (found,) = probe.look().queues
    assert (found.name, found.depth, found.pending, found.handled, found.arrived) == ("FRAMES/workers", 5, 0, 0, 5)
    replies = [frames.take("workers") for _ in range(3)]
    frames.ack(replies[0])
    (found,) = probe.look().queues
    assert (found.depth, found.pending, found.handled) == (4, 2, 1)
    frames.ack(replies[2])
    (found,) = probe.look().queues
    assert (found.depth, found.pending, found.handled) == (3, 1, 2)


def test_the_age_is_that_of_the_first_that_was_not_acknowledged(stream, opened):
    """The stream keeps what is done: its first message is not the oldest that waits."""
    frames = stream("FRAMES")
    frames.consumer("workers")
    frames.put(1)
    began = time.time()
    frames.put(1)
    frames.ack(frames.take("workers"))
    (found,) = opened("FRAMES").look().queues
    assert found.depth == 1
    assert found.oldest_s <= time.time() - began + 0.1
    frames.ack(frames.take("workers"))
    (found,) = opened("FRAMES").look().queues
    assert (found.depth, found.oldest_s) == (0, 0.0)


def test_of_large_messages_the_age_is_not_asked_for(stream, opened, monkeypatch):
    frames = stream("FRAMES")
    frames.consumer("workers")
    frames.put(3, nbytes=2000)
    frames.ack(frames.take("workers"))
    assert opened("FRAMES").look().queues[0].oldest_s is not None
    monkeypatch.setattr("benchkit.watch.nats.MOST_FETCHED_BYTES", 1000)
    assert opened("FRAMES").look().queues[0].oldest_s is None


def test_nothing_is_consumed_acknowledged_or_made(stream, opened):
    frames = stream("FRAMES", retention="workqueue")
    frames.consumer("workers")
    frames.put(9)
    reply = frames.take("workers")
    before = frames.state()
    probe, named = opened("FRAMES"), opened("FRAMES", consumers=("workers",))
    for _ in range(3):
        assert probe.look().queues[0].depth == named.look().queues[0].depth == 9
    assert frames.state() == before
    frames.ack(reply)
    assert probe.look().queues[0].depth == 8


def test_what_is_named_and_not_there_is_said_and_later_told_as_gone(stream, opened, url):
    with pytest.raises(UsageError, match="stream NONE: there is no such stream"):
        opened("NONE")
    frames = stream("FRAMES")
    with pytest.raises(UsageError, match="consumer FRAMES/w: there is no such consumer"):
        opened("FRAMES", consumers=("w",))
    frames.consumer("w")
    alerts = Kept({"rule": "dead"})
    with watching(Nats(url, ("FRAMES",), ("w",)), alerts) as watch:
        watch.round()
        frames.wire.ask("$JS.API.CONSUMER.DELETE.FRAMES.w", inbox=INBOX)
        watch.round()
        assert alerts.said() == [("firing", "dead", "consumer FRAMES/w")]
        frames.consumer("w")
        watch.round()
        assert alerts.said()[1:] == [("resolved", "dead", "consumer FRAMES/w")]


def test_a_stalled_worker_is_alerted_and_its_recovery_told(stream, url):
    frames = stream("FRAMES")
    frames.consumer("workers")
    alerts = Kept({"rule": "stalled", "window": "5s", "clear": "0s"}, step_s=1.0)
    with watching(Nats(url, ("FRAMES",)), alerts) as watch:
        for _ in range(3):
            frames.put(2)
            frames.ack(frames.take("workers"))
            watch.round()
        for _ in range(7):
            frames.put(1)
            seen = watch.round()
        assert alerts.said() == [("firing", "stalled", "FRAMES/workers")]
        assert queue(seen, "FRAMES/workers").depth == 10
        frames.ack(frames.take("workers"))
        watch.round()
        assert alerts.said()[1:] == [("resolved", "stalled", "FRAMES/workers")]


def test_a_killed_server_is_alerted_and_its_return_is_a_recovery():
    with run_folder() as (_, folder), ExitStack() as running:
        server = running.enter_context(servers.private(folder))
        home = folder / "nats"
        port = server.url.rpartition(":")[2]
        wire = connect(server.url)
        frames = Stream(wire, "FRAMES")
        frames.wire.ask("$JS.API.STREAM.DELETE.FRAMES", inbox=INBOX)
        config = {"name": "FRAMES", "subjects": ["FRAMES.>"], "storage": "file"}
        wire.ask("$JS.API.STREAM.CREATE.FRAMES", config, INBOX)
        frames.put(4)
        wire.close()
        alerts = Kept({"rule": "dead"})
        with watching(Nats(server.url, ("FRAMES",)), alerts) as watch:
            assert value(watch.round(), "benchkit_up", "broker") == 1
            family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            (process,) = [each for each in family if each.name() == "nats-server"]
            process.send_signal(signal.SIGKILL)
            psutil.wait_procs([process])
            seen = watch.round()
            assert value(seen, "benchkit_up", "broker") == 0
            assert "cannot connect" in watch.round().targets[0].why
            text = (home / "nats.conf").read_text().replace('"127.0.0.1:-1"', f'"127.0.0.1:{port}"')
            (home / "again.conf").write_text(text)
            running.enter_context(child([str(servers.program()), "-c", str(home / "again.conf")]))
            for _ in range(5000):
                if (seen := watch.round()).targets[0].look is not None and seen.targets[0].look.queues:
                    break
            assert queue(seen, "FRAMES").depth == 4
        assert [each for each in alerts.said() if each[2] == "broker"] == [
            ("firing", "dead", "broker"),
            ("resolved", "dead", "broker"),
        ]


def test_no_error_holds_the_password(url):
    wrong = url.replace(url.partition("@")[0].rpartition(":")[2], "s3cr%24t-hunter2")
    with pytest.raises(BrokerError, match="refuses this user") as caught:
        Nats(wrong, ("S",)).open()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError) as wrong_use:
        Nats("nats://u:hunter2/x@host:4222/y", ("S",))
    assert "hunter2" not in str(wrong_use.value)


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456), ("2026-01-02T03:04:05Z", 1767323045.0),
        ("0001-01-01T00:00:00Z", None), ("yesterday", None), (None, None), (17, None),
    ],
)  # fmt: skip
def test_moments_as_the_api_writes_them(told, moment):
    assert _moment(told) == moment
