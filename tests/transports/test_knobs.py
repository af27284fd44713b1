"""Options that reach into sockets, pools and servers: each is set, told as the kernel has it, and has its effect."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import pytest
from opened import opened, settle, taken
from pydantic import ValidationError

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports._redis.connect import connect
from benchkit.transports.base import Transport
from benchkit.transports.http import Http
from benchkit.transports.redis_list import RedisList
from benchkit.transports.redis_stream import RedisStream

MESSAGE = bytes(range(64))
linux = pytest.mark.skipif(sys.platform != "linux", reason="other kernels keep other books of buffers")


@linux
@pytest.mark.parametrize(
    "transport",
    [
        Http(send_buffer="16KiB", receive_buffer="32KiB"),
        RedisList(socket="tcp", send_buffer="16KiB", receive_buffer="32KiB"),
        RedisStream(send_buffer="16KiB", receive_buffer="32KiB"),
    ],
    ids=lambda each: each.kind,
)
def test_buffers_are_what_was_asked_doubled_as_linux_does_it(transport: Transport) -> None:
    with opened(transport) as both:
        both.receiver()
        told = both.sender().path()
    assert (told["send_buffer"], told["receive_buffer"]) == (str(2 * 16384), str(2 * 32768))


def test_what_was_not_asked_for_is_not_told() -> None:
    with opened(Http()) as both:
        both.receiver()
        assert set(both.sender().path()) == {"family"}


@pytest.mark.parametrize("kind", [Http, RedisList])
def test_nagle_is_switched_on_and_told(kind: type[Transport]) -> None:
    transport = Http(nodelay=False) if kind is Http else RedisList(socket="tcp", nodelay=False)
    with opened(transport) as both:
        both.receiver()
        assert both.sender().path()["nodelay"] == "false"


@pytest.mark.parametrize(("options", "kept"), [({}, True), ({"keep_alive": False}, False)])
def test_a_connection_is_used_again_or_closed_after_each_request(
    options: dict[str, bool], kept: bool
) -> None:
    with opened(Http(**options)) as both:
        receiver, sender = both.receiver(), both.sender()
        used = []
        for _ in range(3):
            assert sender.send([MESSAGE], 1.0)
            used.append(sender._last)
            delivery = taken(receiver)
            delivery.reply([MESSAGE])
            settle(delivery)
            assert sender.reply(5.0) is not None
            assert sender.reply(0) is None
        assert (len(set(map(id, used))) == 1) is kept


def test_no_more_connections_are_kept_than_the_pool_holds() -> None:
    with opened(Http(depth=4, pool=2)) as both:
        receiver, sender = both.receiver(), both.sender()
        for _ in range(4):
            assert sender.send([MESSAGE], 1.0)
        for _ in range(4):
            delivery = taken(receiver)
            delivery.reply([MESSAGE])
            settle(delivery)
        for _ in range(4):
            assert sender.reply(5.0) is not None
        assert sender.reply(0) is None
        assert len(sender._idle[0]) == 2


@pytest.mark.parametrize("kind", [RedisList, RedisStream], ids=lambda each: each.kind)
def test_the_server_keeps_the_newest_and_says_how_many_it_dropped(
    kind: type[RedisList | RedisStream],
) -> None:
    with opened(kind(depth=64, maxlen=3)) as both:
        sender = both.sender()
        for number in range(10):
            assert sender.send([bytes([number]) * 64], 1.0)
        assert sender.dropped() == {"maxlen": 7}
        receiver = both.receiver()
        seen = []
        while (delivery := receiver.receive(0.2)) is not None:
            seen.append(delivery.view[0])
            settle(delivery)
        assert seen == [7, 8, 9]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 8, "maxlen": 8}, "never reached"),
        ({"depth": 8, "maxlen": 2, "layout": "claim-check"}, "layout: inline"),
        ({"client": "plain", "send_buffer": "64KiB"}, "client: fast"),
        ({"client": "plain", "nodelay": False}, "client: fast"),
        ({"url": "redis://127.0.0.1:1", "output_buffer": "1MiB"}, "your own server"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RedisList(**options)


def test_the_limit_of_waiting_answers_is_the_cells_own_and_not_the_next_ones() -> None:
    with ExitStack() as services:
        for options, expected in (({"output_buffer": "1MiB"}, b"normal 1048576 0 0"), ({}, b"normal 0 0 0")):
            name, folder = services.enter_context(run_folder())
            setup = Site(name, folder, services).setup(1 << 16, 4096, 1)
            with RedisList(**options).prepare(setup) as address:
                server = connect(str(address.where["url"]))
                told = server.call("CONFIG", "GET", "client-output-buffer-limit")
                server.close()
                assert expected in told[1]
