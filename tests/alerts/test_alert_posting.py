"""Webhooks against real servers that take it, fail, are slow, send elsewhere, or are not there."""

from __future__ import annotations

import base64
import socket
import threading
import time
from dataclasses import replace

import pytest
from alert_cases import S, gone, seen
from alert_servers import NOTICE, Told, serving, status
from pydantic import ValidationError

from benchkit.alerts import Evaluator
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.sinks.address import parse
from benchkit.alerts.sinks.alertmanager import Alertmanager
from benchkit.alerts.sinks.posting import PLACES
from benchkit.alerts.sinks.terminal import line
from benchkit.alerts.sinks.webhook import Webhook, slack

SECRET = "T0000/B0000/geheimgeheim"  # noqa: S105  (a planted one)


def hook(url: str, **options) -> Webhook:
    return Webhook(url=url, **{"backoff": 0.01, "timeout": 10, **options})


def test_slack_is_sent_a_text_and_fields_and_the_moment_of_delivery_is_kept():
    told = Told()
    with serving(status(200)) as server:
        sink = hook(f"{server.url}/services/{SECRET}").open(told.around)
        before = time.monotonic_ns()
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
    ((path, headers, body),) = server.asked
    assert path == f"/services/{SECRET}"
    assert headers["Content-Type"] == "application/json"
    assert set(body) == {"text", "attachments"}
    assert body["text"].startswith("ALERT dead: stage-0 has not been heard of for 1.6 s")
    (attachment,) = body["attachments"]
    assert attachment["color"] == "danger"
    assert {"title": "party", "value": "stage-0", "short": True} in attachment["fields"]
    ((notice, delivered),) = told.delivered
    assert notice is NOTICE
    assert delivered.sink == "webhook"
    assert delivered.error == ""
    assert delivered.at_ns >= before
    assert told.lines == []


def test_what_nobody_looks_at_any_more_is_not_said_to_be_well():
    """A run that ends with its killed worker, a queue that is gone: over, and no recovery."""
    evaluator = Evaluator([Dead()])
    (fires,) = evaluator.feed([seen(1, "up", 0.0, party="stage-0")], S)
    (ended,) = evaluator.feed([gone(2, "up", party="stage-0")], 2 * S)
    (_,) = evaluator.feed([seen(3, "up", 0.0, party="stage-0")], 3 * S)
    (well,) = evaluator.feed([seen(4, "up", 1.0, party="stage-0")], 4 * S)
    assert (ended.state, well.state) == ("resolved", "resolved")
    assert [line(each).partition(":")[0] for each in (fires, ended, well)] == [
        "ALERT dead", "ended dead", "resolved dead"
    ]  # fmt: skip
    colours = [slack(each, Told().around)["attachments"][0]["color"] for each in (fires, ended, well)]
    assert colours == ["danger", "#808080", "good"]


def test_slacks_own_marks_are_escaped_and_programs_get_every_field():
    told = Told()
    notice = replace(NOTICE, labels={"queue": "<!channel> & co"})
    with serving(status(204)) as server:
        for form in ("slack", "plain"):
            sink = hook(server.url, form=form).open(told.around)
            sink.take(notice)
            sink.close(10)
        slack, plain = (body for _, _, body in server.asked)
    assert "&lt;!channel&gt; &amp; co" in slack["text"]
    assert plain["labels"] == {"queue": "<!channel> & co"}
    assert {"state", "rule", "severity", "value", "summary", "since", "at", "fired"} < set(plain)


def test_a_server_that_fails_is_asked_again_and_nothing_is_said_when_it_takes_it():
    told = Told()

    def answer(number, handler):
        status(503 if number < 2 else 200)(number, handler)

    with serving(answer) as server:
        sink = hook(server.url).open(told.around)
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
    assert len(server.asked) == 3
    assert told.delivered[0][1].error == ""
    assert told.lines == []


def test_notices_come_in_their_order_behind_one_that_had_to_be_sent_again():
    told = Told()
    with serving(lambda number, handler: status(500 if number == 0 else 200)(number, handler)) as server:
        sink = hook(server.url, form="plain").open(told.around)
        sink.take(NOTICE)
        sink.take(replace(NOTICE, state="resolved"))
        assert told.wait_for(2)
        sink.close(5)
    assert [body["state"] for _, _, body in server.asked] == ["firing", "firing", "resolved"]


@pytest.mark.parametrize(
    ("answer", "requests", "says"),
    [
        (status(500), 3, "it answered 500, 3 attempts"),
        (status(429), 3, "it answered 429, 3 attempts"),
        (status(404), 1, "it answered 404"),
        (status(302, Location="/elsewhere"), 1, "it redirects elsewhere (302), which is not followed"),
    ],
)
def test_what_is_given_up_is_said_once_and_kept_with_each_notice(answer, requests, says):
    told = Told()
    with serving(answer) as server:
        sink = hook(f"{server.url}/services/{SECRET}", attempts=3).open(told.around)
        for _ in range(2):
            sink.take(NOTICE)
        assert told.wait_for(2)
        sink.close(5)
        assert len(server.asked) == 2 * requests
    assert [delivered.error for _, delivered in told.delivered] == [says, says]
    (line,) = told.lines
    assert line == f"warning: alerts do not reach webhook at {server.url}/***: {says}"


def test_a_redirect_to_another_host_is_not_followed_and_one_within_the_host_is():
    told = Told()
    with (
        serving(status(200)) as other,
        serving(status(307, Location=f"{other.url}/taken")) as first,
    ):
        sink = hook(first.url).open(told.around)
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
    assert other.asked == []
    assert len(first.asked) == 1
    assert "redirects elsewhere" in told.lines[0]

    told = Told()
    with serving(
        lambda number, handler: status(*([200] if number else [308]), Location="/moved?x=1")(number, handler)
    ) as server:
        sink = hook(server.url).open(told.around)
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
    assert [path for path, _, _ in server.asked] == ["/", "/moved?x=1"]
    assert told.delivered[0][1].error == ""


def test_a_server_that_redirects_in_a_circle_is_left():
    told = Told()
    with serving(status(307, Location="/again")) as server:
        sink = hook(server.url).open(told.around)
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
        assert len(server.asked) == 4
    assert "redirected more than 3 times" in told.lines[0]


def test_a_server_that_says_nothing_or_a_byte_now_and_then_is_hung_up_on():
    """A byte before each time-out of a socket would keep one that has no other limit for ever."""
    for drip in (False, True):
        told, over = Told(), threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve(drip=drip, listening=listening, over=over):
                peer, _ = listening.accept()
                with peer:
                    while not over.wait(0.05):
                        try:
                            if drip:
                                peer.sendall(b"H")
                        except OSError:
                            return

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            port = listening.getsockname()[1]
            sink = hook(f"http://127.0.0.1:{port}", timeout=0.4, attempts=1).open(told.around)
            sink.take(NOTICE)
            assert told.wait_for(1)
            over.set()
            thread.join()
            sink.close(5)
        assert told.delivered[0][1].error == "no answer within 0.4 s"


def test_a_server_that_is_not_there_costs_one_warning_and_blocks_nobody():
    told = Told()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    sink = hook(f"http://user:geheim@127.0.0.1:{port}/{SECRET}", attempts=2).open(told.around)
    for _ in range(5):
        sink.take(NOTICE)
    assert told.wait_for(5)
    sink.close(5)
    where = f"http://127.0.0.1:{port}/***"
    assert told.lines == [f"warning: alerts do not reach webhook at {where}: Connection refused, 2 attempts"]


def test_the_queue_is_bounded_and_what_finds_no_place_is_told():
    told, held = Told(), threading.Event()

    def answer(number, handler):
        held.wait(20)
        status(200)(number, handler)

    with serving(answer) as server:
        sink = hook(server.url).open(told.around)
        sink.take(NOTICE)
        assert server.wait_for(1)
        for _ in range(PLACES + 3):
            sink.take(NOTICE)
        assert [delivered.error for _, delivered in told.delivered] == [
            f"{PLACES} others wait to be sent"
        ] * 3
        held.set()
        assert told.wait_for(PLACES + 4)
        sink.close(5)
    assert sum(not delivered.error for _, delivered in told.delivered) == PLACES + 1


def test_a_run_that_ends_waits_for_no_server_and_says_what_was_not_sent():
    told, held = Told(), threading.Event()
    with serving(lambda number, handler: held.wait(20) and status(200)(number, handler)) as server:
        sink = hook(server.url, attempts=1).open(told.around)
        for _ in range(3):
            sink.take(NOTICE)
        assert server.wait_for(1)
        sink.close(0.05)
        left = [delivered.error for _, delivered in told.delivered]
        assert left == ["benchkit ended before it was sent"] * 2
        held.set()
        assert told.wait_for(3)


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "host/x", "http://?", "http://[::1", "http://host:99999/", "http://host/a b", "http://host/\u00fc",
     "http://host/\r\nX: y"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_quoted(url):
    with pytest.raises(ValidationError) as caught:
        Webhook(url=url + SECRET)
    assert SECRET not in str(caught.value)


def test_no_part_of_an_address_but_its_host_is_shown():
    address = parse(
        f"https://me:{SECRET.replace('/', '')}@hooks.example:8443/services/{SECRET}?token={SECRET}"
    )
    assert address.shown == "https://hooks.example:8443/***"
    assert base64.b64decode(address.authorization.removeprefix("Basic ")) == b"me:T0000B0000geheimgeheim"
    options = Webhook(url=f"https://hooks.example/{SECRET}")
    assert SECRET not in repr(options)
    assert SECRET not in str(options.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/a", "/a"),
        ("http://host/a?b", "/a?b"),
        ("http://HOST:80/a", "/a"),
        ("https://host/a", None),
        ("http://host:81/a", None),
        ("http://other/a", None),
        ("//other/a", None),
        ("/\\other/a", None),
        ("http://host@other/a", None),
        ("relative", None),
        ("", None),
        ("/a\r\nX: y", None),
    ],
)
def test_a_redirect_is_followed_only_within_scheme_host_and_port(location, path):
    assert parse("http://host/x").leads_to(location) == path


def test_both_kinds_take_the_same_options():
    assert set(Alertmanager.model_fields) - set(Webhook.model_fields) == {"remind", "source"}
