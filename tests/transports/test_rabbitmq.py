"""Facts of the rabbitmq transport that the conformance suite cannot know, against one server for all of them."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import authority
import psutil
import pytest
from opened import PATIENCE_S, opened, settle, taken
from pydantic import ValidationError

from benchkit.errors import BenchkitError, BrokerError, Rejected
from benchkit.runtime.folders import run_folder
from benchkit.tensors.wire import Envelope, pack, unpack_envelope
from benchkit.transports._rabbitmq import server as servers
from benchkit.transports._rabbitmq.connect import opened as connected
from benchkit.transports._rabbitmq.connect import shown
from benchkit.transports._rabbitmq.methods import CONNECTION_BLOCKED, CONNECTION_UNBLOCKED, method, short
from benchkit.transports._rabbitmq.place import place_of
from benchkit.transports.base import Sender, Setup
from benchkit.transports.rabbitmq import Rabbitmq

LACKING = Rabbitmq.lacks()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
SECRET = "s3cr%24t-hunter2"  # noqa: S105  (made up for this test)
SERVER_TAKES_BYTES = 20_000_000


def send(sender: Sender, numbers: Iterable[int]) -> None:
    for number in numbers:
        assert sender.send((pack(Envelope(number, 100)), bytes(100)), PATIENCE_S)


def seq(view: memoryview) -> int:
    return unpack_envelope(view).seq


def rejected(sender: Sender) -> int:
    reply = sender.reply(PATIENCE_S)
    assert reply is not None
    assert reply.rejected
    return seq(reply.view)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The files of a certificate authority, and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return authority.made(tmp_path_factory.mktemp("authority")), port


@pytest.fixture(scope="module")
def server(tls):
    """One that is the user's own, as far as the transport knows: it speaks TLS too, and takes no long messages."""
    folder, port = tls
    ordinary = servers._configuration
    more = (
        f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {folder}/ca.pem\n"
        f"ssl_options.certfile = {folder}/server.pem\nssl_options.keyfile = {folder}/server.key\n"
    )
    with run_folder() as (_, private), pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "MAX_MESSAGE_BYTES", SERVER_TAKES_BYTES)
        patch.setattr(servers, "_configuration", lambda *words: ordinary(*words) + more)
        with servers.private(private) as running:
            patch.undo()
            yield running


@pytest.fixture(scope="module")
def url(server):
    return server.url


def queues(url: str, names: Iterable[str]) -> list[str]:
    """Those of the names that the server has a queue of."""
    found = []
    for name in names:
        connection = connected(url)
        try:
            connection.channel().queue_declare(name, passive=True)
            found.append(name)
        except connection.channel_errors:
            pass
        finally:
            connection.collect()
    return found


def test_it_listens_on_loopback_alone_and_its_port_mapper_is_the_runs_own(server):
    family = psutil.Process(server.pid).parent().children(recursive=True)
    listening = [
        (process.name(), each.laddr)
        for process in family
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert {name for name, _ in listening} == {"beam.smp", "epmd"}
    assert all(ip_address(address.ip).is_loopback for _, address in listening)
    assert 4369 not in {address.port for _, address in listening}


def test_the_password_is_in_no_argument_and_in_no_file_that_others_can_read(server):
    password = server.url.partition("@")[0].rpartition(":")[2]
    process = psutil.Process(server.pid)
    assert password not in " ".join(process.cmdline() + list(process.environ().values()))
    home = Path(process.cwd())
    holding = [
        path for path in home.iterdir() if path.is_file() and password in path.read_text(errors="replace")
    ]
    assert [path.name for path in holding] == ["rabbitmq.conf"]
    assert not home.stat().st_mode & 0o077


def test_queues_are_declared_and_deleted_also_when_the_run_fails(url):
    names = []
    with pytest.raises(ZeroDivisionError), opened(Rabbitmq(url=url, dead_letter=True), workers=2) as place:
        cell = place_of(place.address)
        names = [cell.queue, cell.replies, cell.dead]
        assert queues(url, names) == names
        raise ZeroDivisionError
    assert queues(url, names) == []


def test_its_path_says_what_was_used(url):
    with opened(Rabbitmq(url=url, queue="quorum")) as place:
        assert place.receiver().path() == place.sender().path() == place.address.claim
        version = place.address.claim["server"]
        assert version.startswith("RabbitMQ ")
        assert place.address.path == f"{version} over TCP, quorum queue, publisher confirms"
        assert place.address.broker_pid is None


def test_reject_publish_refuses_the_newest_by_number(url):
    with opened(Rabbitmq(url=url, depth=3, overflow="reject-publish", window=1)) as place:
        sender = place.sender()
        send(sender, range(6))
        assert [rejected(sender) for _ in range(3)] == [3, 4, 5]
        receiver = place.receiver()
        kept = [taken(receiver) for _ in range(3)]
        assert [seq(each.view) for each in kept] == [0, 1, 2]


def test_drop_head_gives_the_oldest_back_as_dead_letters(url):
    with opened(Rabbitmq(url=url, depth=3, overflow="drop-head", dead_letter=True)) as place:
        sender = place.sender()
        send(sender, range(5))
        assert [rejected(sender) for _ in range(2)] == [0, 1]
        receiver = place.receiver()
        assert [seq(taken(receiver).view) for _ in range(3)] == [2, 3, 4]


def test_a_quorum_queue_gives_up_what_was_returned_too_often(url):
    transport = Rabbitmq(url=url, queue="quorum", delivery_limit=1, dead_letter=True)
    with opened(transport) as place:
        sender = place.sender()
        send(sender, [7])
        for _ in range(2):
            receiver = transport.receiver(place.address, 0)
            assert seq(taken(receiver).view) == 7
            receiver.close()
        assert rejected(sender) == 7


def test_with_a_window_of_one_nothing_is_unconfirmed_when_send_returns(url):
    with opened(Rabbitmq(url=url, window=1, persistent=True)) as place:
        sender = place.sender()
        send(sender, range(4))
        assert not sender._unconfirmed
        delivery = taken(place.receiver())
        delivery.reply([b"yes"])
        settle(delivery)
        reply = sender.reply(PATIENCE_S)
        assert reply is not None
        assert reply.view == b"yes"


def test_without_confirms_it_is_bounded_all_the_same(url):
    with opened(Rabbitmq(url=url, confirms=False, depth=4)) as place:
        sender = place.sender()
        count = 0
        while sender.send([b"%d" % count], 0.1):
            count += 1
            # What is on its way is in no count of the server's yet.
            assert count <= 8
        receiver = place.receiver()
        assert [bytes(taken(receiver).view) for _ in range(count)] == [
            b"%d" % number for number in range(count)
        ]


def test_a_batch_is_filled_beyond_prefetch_and_room_is_as_before_afterwards(url):
    with opened(Rabbitmq(url=url, depth=6), workers=2) as place:
        first, second = place.receiver(0), place.receiver(1)
        sender = place.sender()
        send(sender, range(6))
        held = [taken(first) for _ in range(5)]
        assert sorted([*(seq(each.view) for each in held), seq(taken(second).view)]) == list(range(6))
        for delivery in held:
            settle(delivery)
        send(sender, range(6, 10))
        # One for each of the two workers' hands: the other holds one already.
        assert seq(taken(first).view) == 6
        with connected(url) as connection:
            waiting = connection.channel().queue_declare(place_of(place.address).queue, passive=True)
        assert waiting.message_count == 3


def test_a_server_that_takes_no_messages_for_now_holds_send_back(url):
    with opened(Rabbitmq(url=url)) as place:
        sender = place.sender()
        link = sender._out._link
        here, there = socket.socketpair()
        with here, there:
            sender._out._link = type(link)(here)
            there.sendall(method(CONNECTION_BLOCKED, short("low on memory"), channel=0))
            assert sender._out.method()[0] == CONNECTION_BLOCKED
            assert not sender.send([b"held back"], 0.05)
            there.sendall(method(CONNECTION_UNBLOCKED, b"", channel=0))
            assert sender._out.ready(PATIENCE_S)
            sender._take()
            sender._out._link = link
        send(sender, [1])
        assert seq(taken(place.receiver()).view) == 1


def test_a_queue_that_is_deleted_meanwhile_is_an_error_at_both_ends(url):
    with opened(Rabbitmq(url=url, window=1)) as place:
        receiver, sender = place.receiver(), place.sender()
        with connected(url) as connection:
            connection.channel().queue_delete(place_of(place.address).queue)
        with pytest.raises(BrokerError, match="was deleted"):
            receiver.receive(PATIENCE_S)
        with pytest.raises(BrokerError, match="was deleted"):
            send(sender, range(3))


def test_what_the_server_does_not_take_is_said_before_anything_is_measured(url):
    # This server was configured for less than a server of today takes by default; more would be tried.
    with pytest.raises(Rejected, match="takes no message of 20000001 bytes") as caught:
        _prepare(Rabbitmq(url=url), SERVER_TAKES_BYTES + 1)
    assert "max_message_size" in caught.value.remedy
    with opened(Rabbitmq(url=url), message_bytes=SERVER_TAKES_BYTES):
        pass


def test_over_tls_with_its_certificate_checked(url, tls):
    folder, port = tls
    there = f"amqps://{url.partition('//')[2].partition('@')[0]}@localhost:{port}"
    with opened(Rabbitmq(url=f"{there}?cacertfile={folder}/ca.pem"), message_bytes=1 << 20) as place:
        receiver, sender = place.receiver(), place.sender()
        assert sender.path()["family"] == "tls"
        content = bytes(range(256)) * 4000
        assert sender.send([content], PATIENCE_S)
        assert taken(receiver).view == content
    with pytest.raises(BrokerError, match="certificate"):
        _prepare(Rabbitmq(url=there))


def _never(key, make):
    raise AssertionError(f"{key} is not shared where the user gives a URL")


def _prepare(transport: Rabbitmq, nbytes: int = 64) -> None:
    with transport.prepare(Setup("benchkit-errors-0", Path("/nonexistent"), nbytes, 64, 1, _never)):
        pass


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("amqp://eve:{secret}@{at}", "refuses this user or password"),
        ("amqp://{user}@{at}/{secret}", "no such virtual host"),
        ("amqp://eve:{secret}@127.0.0.1:1", "cannot connect"),
        ("amqp://eve:{secret}@host.invalid", "cannot connect"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(url, there, said):
    user, _, at = url.partition("//")[2].partition("@")
    with pytest.raises(BrokerError) as caught:
        _prepare(Rabbitmq(url=there.format(secret=SECRET, at=at, user=user)))
    everything = "".join(traceback.format_exception(caught.value, chain=True))
    assert said in caught.value.what
    assert caught.value.remedy
    assert "hunter2" not in everything.replace(f"/{SECRET}", "")


@pytest.mark.parametrize(
    "bad",
    ["redis://host", "amqp://", "amqp://eve:{}@host:port", "amqp://host?cacertfile=x", "amqps://host?colour=red",
     "amqps://host?verify=maybe", "amqp://eve:{}@x@host/a@b"],
)  # fmt: skip
def test_a_bad_url_is_a_mistake_of_the_scenario_without_its_password(bad):
    bad = bad.format(SECRET)
    with pytest.raises(ValidationError) as caught:
        Rabbitmq(url=bad)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in shown(bad)


@pytest.mark.parametrize(
    "options", [{"delivery_limit": 3}, {"overflow": "reject-publish", "confirms": False}]
)
def test_options_that_mean_nothing_together_are_refused(options):
    with pytest.raises(ValidationError):
        Rabbitmq(**options)


def test_what_is_missing_is_told_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "program", lambda: None)
    lacking = Rabbitmq.lacks()
    assert lacking is not None
    assert "apt-get install rabbitmq-server" in lacking.remedy
    with pytest.raises(BenchkitError) as caught, opened(Rabbitmq()):
        pass
    assert caught.value.remedy == lacking.remedy
    # Not a mistake of the scenario: the other cells are measured.
    assert caught.value.exit_code == BenchkitError.exit_code


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "_configuration", lambda *_: "no such thing = 1\n")
    with pytest.raises(BrokerError, match="did not start") as caught, servers.private(tmp_path):
        pass
    assert "parsing configuration" in caught.value.what
    assert not list(tmp_path.iterdir())
