"""The endpoint, scraped; what it says is read with the library that Prometheus' own clients use."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from alert_cases import gone, seen
from alert_servers import NOTICE, Told
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from benchkit.alerts.sinks import prometheus
from benchkit.alerts.sinks.prometheus import Prometheus
from benchkit.errors import UsageError

TOKEN = "a-token-of-many-characters"  # noqa: S105  (a planted one)


def scraped(port, *, token=None, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def sink():
    made = Prometheus(port=0).open(Told().around)
    yield made
    made.close(1)


def test_every_metric_and_what_fires_is_there_and_goes_again(sink):
    sink.show(
        [
            seen(1, "queue_depth", 3, queue="q"),
            seen(1, "lost_total", 2, pipeline="p"),
            seen(1, "up", 1, party="w"),
        ],
        [NOTICE],
    )
    status, text = scraped(sink.port)
    assert status == 200
    found = samples(text)
    assert found[("benchkit_queue_depth", (("queue", "q"),))] == 3
    assert found[("benchkit_lost_total", (("pipeline", "p"),))] == 2
    firing = (("party", "stage-0"), ("pipeline", "unix/raw"), ("rule", "dead"), ("severity", "critical"))
    assert found[("benchkit_alert_firing", firing)] == 1
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds["benchkit_lost"] == "counter"
    assert kinds["benchkit_queue_depth"] == "gauge"
    sink.show([gone(2, "queue_depth", queue="q")], [])
    left = samples(scraped(sink.port)[1])
    assert ("benchkit_queue_depth", (("queue", "q"),)) not in left
    assert not [name for name, _ in left if name == "benchkit_alert_firing"]


def test_labels_that_people_chose_do_not_break_it(sink):
    sink.show([seen(1, "queue_depth", 3, **{"my queue": 'a"b\n\\'})], [replace(NOTICE, labels={"x-y": "1"})])
    found = samples(scraped(sink.port)[1])
    assert found[("benchkit_queue_depth", (("my_queue", 'a"b\n\\'),))] == 3


def test_a_delivered_notice_is_one_that_can_be_scraped():
    told = Told()
    sink = Prometheus(port=0).open(told.around)
    sink.take(NOTICE)
    sink.close(1)
    assert [delivered.sink for _, delivered in told.delivered] == ["prometheus"]
    assert told.lines == [f"metrics on http://127.0.0.1:{sink.port}/metrics"]


def test_with_a_token_nobody_else_is_told_anything():
    sink = Prometheus(port=0, token=TOKEN).open(Told().around)
    sink.show([seen(1, "queue_depth", 3, queue="q")], [])
    for wrong in (None, "another-token-of-characters", TOKEN[:-1]):
        status, text = scraped(sink.port, token=wrong)
        assert status == 401
        assert text == ""
    status, text = scraped(sink.port, token=TOKEN)
    assert status == 200
    assert "benchkit_queue_depth" in text
    sink.close(1)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104  (none is bound)
def test_it_is_open_to_others_only_with_a_token(address):
    with pytest.raises(ValidationError, match="open to others"):
        Prometheus(address=address)
    assert Prometheus(address=address, token=TOKEN).address == address
    with pytest.raises(ValidationError, match="at least 16"):
        Prometheus(address=address, token="short")  # noqa: S106  (a wrong one)


def test_many_who_never_end_their_request_take_few_threads_and_no_time(sink, monkeypatch):
    monkeypatch.setattr(prometheus, "ANSWER_S", 0.5)
    before = threading.active_count()
    loris = [socket.create_connection(("127.0.0.1", sink.port)) for _ in range(5 * prometheus.MOST_AT_ONCE)]
    until = time.monotonic() + 20
    status = None
    while status != 200 and time.monotonic() < until:
        for each in loris:
            with suppress(OSError):
                each.sendall(b"G")
        # A request has a thread and a timer.
        assert threading.active_count() <= before + 2 * prometheus.MOST_AT_ONCE
        time.sleep(0.05)
        with suppress(OSError, http.client.HTTPException):
            status, _ = scraped(sink.port)
    for each in loris:
        each.close()
    assert status == 200


def test_a_port_that_is_taken_is_said_with_the_remedy(sink):
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1 port {sink.port}"):
        Prometheus(port=sink.port).open(Told().around)


def test_scrapes_while_it_changes(sink):
    ended = threading.Event()

    def change():
        at = 0
        while not ended.is_set():
            at += 1
            sink.show([seen(at, "queue_depth", at, queue=str(at % 50))], [NOTICE] if at % 2 else [])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        assert {scraped(sink.port)[0] for _ in range(20)} == {200}
    finally:
        ended.set()
        thread.join()
