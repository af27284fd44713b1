"""Servers that answer what no server answers: a watch says what is unknown, and goes on."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from benchkit.alerts import Notice
from benchkit.alerts.sinks.base import Around
from benchkit.alerts.sinks.webhook import slack
from benchkit.errors import BrokerError, UsageError
from benchkit.transports._redis.connect import connect, inspect
from benchkit.watch.base import Look, whole
from benchkit.watch.observing import Observing
from benchkit.watch.rabbitmq import _queue
from benchkit.watch.redis import Redis

HELLO = b"%2\r\n+proto\r\n:3\r\n+version\r\n+7.2.0\r\n"
HUGE = 10**400
Serve = Callable[[dict[bytes, bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A Redis server that answers commands as it is told, and all others with OK; its URL."""
    listeners: list[socket.socket] = []

    def served(answers: dict[bytes, bytes]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=_accept, args=(listener, answers), daemon=True).start()
        return f"redis://127.0.0.1:{listener.getsockname()[1]}/0"

    yield served
    for each in listeners:
        each.close()


def _accept(listener: socket.socket, answers: dict[bytes, bytes]) -> None:
    with suppress(OSError):
        while True:
            made, _ = listener.accept()
            with made, suppress(OSError, ValueError), made.makefile("rb") as read:
                while line := read.readline():
                    words = [read.read(int(read.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                    made.sendall({b"HELLO": HELLO, **answers}.get(words[0], b"+OK\r\n"))


@pytest.mark.parametrize(
    "answer",
    [
        b"*1\r\n:" + b"9" * 400 + b"\r\n",
        # Lists in each other, each as long as one may be: together they would be endless.
        b"*65536\r\n" + (b"*65536\r\n" + b":1\r\n" * 65536) * 17,
    ],
    ids=["a length of 400 digits", "lists in each other"],
)
def test_what_is_no_answer_of_a_server_ends_the_look(serve: Serve, answer: bytes) -> None:
    probe = Redis(serve({b"TYPE": b"+list\r\n", b"EVAL_RO": answer}), ("q",), ())
    probe.open()
    with pytest.raises(BrokerError, match="not an answer"):
        probe.look()
    probe.close()


@pytest.mark.parametrize("line", ["redis_version:x.y", "redis_version:7.2\r\nprocess_id:-9"])
def test_a_server_without_a_version_is_no_broker(serve: Serve, line: str) -> None:
    url = serve({b"INFO": b"$%d\r\n%s\r\n" % (len(line), line.encode())})
    resp = connect(url)
    with pytest.raises(BrokerError, match="no version"):
        inspect(resp, url)
    resp.close()


def test_a_length_that_no_list_has_is_none(serve: Serve) -> None:
    probe = Redis(serve({b"TYPE": b"+list\r\n", b"EVAL_RO": b"*1\r\n(" + b"9" * 400 + b"\r\n"}), ("q",), ())
    probe.open()
    assert probe.look().queues[0].depth == 0
    probe.close()


def test_a_kind_that_is_no_text_is_somebody_elses_key(serve: Serve) -> None:
    probe = Redis(serve({b"TYPE": b"$3\r\n\xff\xfe\x1b\r\n"}), ("q",), ())
    probe.open()
    with pytest.raises(UsageError, match="is no list"):
        probe.check()
    probe.close()


@pytest.mark.parametrize("told", [HUGE, -1, 1.5, True, "7", None, math.inf])
def test_what_is_no_count_is_unknown(told: object) -> None:
    assert whole(told) is None


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "-1", str(HUGE), "1e300"])
def test_rates_and_times_that_cannot_be_are_nothing(rate: str) -> None:
    told = json.loads(
        f'{{"messages_unacknowledged": {HUGE}, "head_message_timestamp": {HUGE},'
        f' "message_stats": {{"publish": {HUGE}, "publish_details": {{"rate": {rate}}}}}}}'
    )
    queue = _queue("q", (1, 0), told)
    observing = Observing("p")
    found = observing.seen(Look((queue,)), 1)
    assert all(math.isfinite(each.value) for each in found)
    json.dumps([observing.flows["q"].arrives, queue.oldest_s], allow_nan=False)
    assert (queue.depth, queue.oldest_s, queue.in_per_s) == (1, None, 0.0)


def test_a_consumer_that_calls_itself_a_channel_calls_nobody_in_slack() -> None:
    notice = Notice("firing", "dead", {"party": "<!channel> & <http://x|y>"}, 1.0, 0, 1, "gone <!here>")
    told = json.dumps(slack(notice, Around(say=lambda text, style: None)))
    assert "<" not in told
    assert "&lt;!channel&gt; &amp; &lt;http://x|y&gt;" in told
