"""Facts of the nats transport that the conformance suite cannot know, against one server for all of them."""

from __future__ import annotations

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
from benchkit.transports._nats import server as servers
from benchkit.transports._nats.connect import connect, shown
from benchkit.transports._nats.place import API, CONSUMER, place_of
from benchkit.transports._nats.wire import Refused
from benchkit.transports.base import Sender, Setup
from benchkit.transports.nats import Nats

LACKING = Nats.lacks()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
SECRET = "s3cr%24t-hunter2"  # noqa: S105  (made up for this test)


def send(sender: Sender, numbers: Iterable[int]) -> None:
    for number in numbers:
        assert sender.send((pack(Envelope(number, 100)), bytes(100)), PATIENCE_S)


def seq(view: memoryview) -> int:
    return unpack_envelope(view).seq


@pytest.fixture(scope="module")
def server():
    with run_folder() as (_, folder), servers.private(folder) as running:
        yield running


@pytest.fixture(scope="module")
def url(server):
    return server.url


def started(patch: pytest.MonkeyPatch, folder: Path, *changes: tuple[str, str]):
    """A server whose configuration differs from that of a run's own."""
    ordinary = servers._configuration

    def configuration(*words: object) -> str:
        text = ordinary(*words)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    patch.setattr(servers, "_configuration", configuration)
    return servers.private(folder)


def asked(url: str, what: str) -> dict:
    wire = connect(url)
    try:
        return wire.ask(f"{API}.{what}")
    finally:
        wire.close()


def test_it_listens_on_loopback_alone(server):
    listening = [
        each.laddr.ip
        for each in psutil.Process(server.pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert all(ip_address(ip).is_loopback for ip in listening)


def test_the_passwords_are_in_no_argument(server):
    process = psutil.Process(server.pid)
    said = " ".join([*process.cmdline(), *process.environ().values()])
    for url in (server.url, server.observer_url):
        assert url.partition("@")[0].rpartition(":")[2] not in said


def test_the_stream_is_made_and_deleted_also_when_the_run_fails(url):
    name = ""
    with pytest.raises(ZeroDivisionError), opened(Nats(url=url, storage="file", max_ack_pending=9)) as place:
        name = place_of(place.address).stream
        config = asked(url, f"STREAM.INFO.{name}")["config"]
        assert (config["storage"], config["retention"]) == ("file", "workqueue")
        consumer = asked(url, f"CONSUMER.INFO.{name}.{CONSUMER}")["config"]
        assert (consumer["max_ack_pending"], consumer["ack_policy"]) == (9, "explicit")
        raise ZeroDivisionError
    with pytest.raises(Refused, match="stream not found"):
        asked(url, f"STREAM.INFO.{name}")


def test_its_path_says_what_was_used(url):
    with opened(Nats(url=url, sync_publish=True)) as place:
        assert place.receiver().path() == place.sender().path() == place.address.claim
        version = place.address.claim["server"]
        assert version.startswith("nats-server ")
        assert place.address.path == f"{version} over TCP, stream in memory, each publish awaited"
        assert place.address.broker_pid is None


def test_a_full_stream_refuses_the_newest_by_number(url):
    with opened(Nats(url=url, depth=3, overflow="reject", sync_publish=True)) as place:
        sender = place.sender()
        send(sender, range(5))
        refused = [sender.reply(PATIENCE_S) for _ in range(2)]
        assert [(each.rejected, seq(each.view)) for each in refused if each] == [(True, 3), (True, 4)]
        receiver = place.receiver()
        for number in range(3):
            delivery = taken(receiver)
            assert seq(delivery.view) == number
            settle(delivery)
        send(sender, [7])
        assert seq(taken(receiver).view) == 7


def test_with_sync_publish_nothing_is_unanswered_when_send_returns(url):
    with opened(Nats(url=url, sync_publish=True)) as place:
        sender = place.sender()
        send(sender, range(3))
        assert not sender._unanswered
        assert len(sender._waiting) == 3


def test_acknowledgements_make_room_without_asking(url):
    with opened(Nats(url=url, depth=2)) as place:
        receiver, sender = place.receiver(), place.sender()
        for number in range(10):
            send(sender, [number])
            delivery = taken(receiver)
            assert seq(delivery.view) == number
            settle(delivery)
        assert sender._sees_acks
        # Nothing is kept of what is done.
        send(sender, [10, 11])
        assert len(sender._waiting) + len(sender._unanswered) <= 2
        assert not sender._early


def test_where_acknowledgements_are_not_seen_the_stream_is_asked(url):
    with opened(Nats(url=url, depth=2)) as place:
        receiver, sender = place.receiver(), place.sender()
        sender._out.write(b"UNSUB 2\r\n")
        for number in range(6):
            send(sender, [number])
            settle(taken(receiver))
        assert not sender._sees_acks


def test_what_waits_already_takes_room_of_the_next_producer(url):
    transport = Nats(url=url, depth=3)
    with opened(transport) as place:
        first = transport.sender(place.address)
        send(first, range(3))
        first.close()
        second = place.sender()
        assert not second.send([b"full"], 0.1)
        settle(taken(place.receiver()))
        send(second, [3])


def test_without_acknowledgements_what_was_delivered_is_done(url):
    transport = Nats(url=url, ack="none", depth=2)
    assert transport.capabilities().delivery == "at-most-once"
    with opened(transport) as place:
        sender = place.sender()
        first = transport.receiver(place.address, 0)
        send(sender, [0, 1])
        assert not sender.send([b"full"], 0.05)
        assert seq(taken(first).view) == 0
        first.close()
        send(sender, [2])
        second = place.receiver()
        assert [seq(taken(second).view) for _ in range(2)] == [1, 2]


def test_a_dead_workers_messages_come_again_and_those_of_the_living_do_not(url):
    # Nothing comes by itself before the test's patience is over.
    transport = Nats(url=url, ack_wait=600.0)
    with opened(transport, workers=2) as place:
        dead, living = transport.receiver(place.address, 0), place.receiver(1)
        sender = place.sender()
        send(sender, [0])
        assert seq(taken(dead).view) == 0
        send(sender, [1])
        assert seq(taken(living).view) == 1
        dead._keeper.close()
        dead.wire.close()  # no farewell: as after a SIGKILL
        again = place.receiver(0)
        assert seq(taken(again).view) == 0
        assert again.receive(0.1) is None


def test_a_worker_that_lives_says_what_it_works_at(url):
    with opened(Nats(url=url, ack_wait=0.3)) as place:
        receiver, sender = place.receiver(), place.sender()
        wire = connect(url)
        wire.write(f"SUB {place_of(place.address).acks}.> 1\r\n".encode())
        wire.flush()
        send(sender, [0])
        taken(receiver)
        said = set()
        while b"+WPI" not in said:
            assert wire.ready(PATIENCE_S)
            if message := wire.message():
                said.add(wire.text(message))
        wire.close()


def test_closing_gives_back_what_is_held_and_what_came_too_late(url):
    transport = Nats(url=url, prefetch=4, ack_wait=600.0)
    with opened(transport) as place:
        first, sender = transport.receiver(place.address, 0), place.sender()
        send(sender, range(4))
        assert seq(taken(first).view) == 0
        first.close()
        second = place.receiver()
        assert sorted(seq(taken(second).view) for _ in range(4)) == [0, 1, 2, 3]


def test_its_server_counts_what_came_in(server, tmp_path):
    transport = Nats()
    with opened(transport) as place:
        before = transport.broker_counts(place.address)
        send(place.sender(), range(3))
        for _ in range(3):
            settle(taken(place.receiver()))
        after = transport.broker_counts(place.address)
    assert before is not None
    assert after is not None
    assert after["received_bytes"] - before["received_bytes"] >= 3 * 164
    assert after["commands"] > before["commands"]
    assert after["memory_bytes"] > 0


def test_a_server_of_ones_own_is_not_asked_for_its_counts(url):
    with opened(Nats(url=url)) as place:
        assert Nats(url=url).broker_counts(place.address) is None


def test_a_stream_that_is_deleted_meanwhile_is_an_error_at_both_ends(url):
    with opened(Nats(url=url, sync_publish=True)) as place:
        receiver, sender = place.receiver(), place.sender()
        assert receiver.receive(0) is None
        asked(url, f"STREAM.DELETE.{place_of(place.address).stream}")
        with pytest.raises(BrokerError):
            receiver.receive(PATIENCE_S)
        with pytest.raises(BrokerError, match="is gone"):
            send(sender, [0])


def _never(key, make):
    raise AssertionError(f"{key} is not shared where the user gives a URL")


def _prepare(transport: Nats, nbytes: int = 64) -> None:
    with transport.prepare(Setup("benchkit-errors-0", Path("/nonexistent"), nbytes, 64, 1, _never)):
        pass


def test_what_the_server_does_not_take_is_said_before_anything_is_measured(monkeypatch, tmp_path):
    small = (f"max_payload: {servers.MAX_PAYLOAD_BYTES}", "max_payload: 1048576")
    with started(monkeypatch, tmp_path, small) as server:
        with pytest.raises(Rejected, match="at most 1048576") as caught:
            _prepare(Nats(url=server.url), 1_048_577)
        assert "max_payload" in caught.value.remedy
        with opened(Nats(url=server.url), message_bytes=1 << 20) as place:
            sender = place.sender()
            assert sender.send([bytes(1 << 20)], PATIENCE_S)
            with pytest.raises(Rejected, match="at most 1048576"):
                sender.send([bytes(1 << 20), b"x"], PATIENCE_S)


def test_a_server_without_jetstream_is_told_how_to_get_it(monkeypatch, tmp_path):
    with started(monkeypatch, tmp_path, ("jetstream: enabled, ", "")) as server:
        with pytest.raises(BrokerError) as caught:
            _prepare(Nats(url=server.url))
        assert "JetStream" in caught.value.remedy


def test_over_tls_with_its_certificate_checked(monkeypatch, tmp_path):
    folder = authority.made(tmp_path)
    secured = f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key" }}\naccounts {{'
    monkeypatch.setattr(servers, "connect", lambda _: _Closed())
    with started(monkeypatch, tmp_path, ("accounts {", secured)) as server:
        there = server.url.replace("nats://", "tls://").replace("127.0.0.1", "localhost")
        with pytest.raises(BrokerError, match="wants TLS"):
            _prepare(Nats(url=server.url))
        with pytest.raises(BrokerError, match="certificate"):
            _prepare(Nats(url=there))
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        with opened(Nats(url=there), message_bytes=1 << 20) as place:
            receiver, sender = place.receiver(), place.sender()
            assert sender.path()["family"] == "tls"
            content = bytes(range(256)) * 4000
            assert sender.send([content], PATIENCE_S)
            assert taken(receiver).view == content


class _Closed:
    """Instead of the first connection to a run's own server, which knows nothing of TLS."""

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("nats://eve:{secret}@{at}", "refuses this user"),
        ("nats://{secret}@{at}", "refuses this user"),
        ("nats://{at}", "needs a user and a password"),
        ("nats://eve:{secret}@127.0.0.1:1", "cannot connect"),
        ("nats://eve:{secret}@host.invalid", "cannot connect"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(url, there, said):
    with pytest.raises(BrokerError) as caught:
        _prepare(Nats(url=there.format(secret=SECRET, at=url.rpartition("@")[2])))
    everything = "".join(traceback.format_exception(caught.value, chain=True))
    assert said in caught.value.what
    assert caught.value.remedy
    assert "hunter2" not in everything


@pytest.mark.parametrize(
    "bad", ["redis://host", "nats://", "nats://eve:{}@host:port", "nats://h/x", "nats://eve:{}@x@host/a@b"]
)
def test_a_bad_url_is_a_mistake_of_the_scenario_without_its_password(bad):
    bad = bad.format(SECRET)
    with pytest.raises(ValidationError) as caught:
        Nats(url=bad)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in shown(bad)


def test_what_is_missing_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(servers, "program", lambda: None)
    lacking = Nats.lacks()
    assert lacking is not None
    assert "apt-get install nats-server" in lacking.remedy
    with pytest.raises(BenchkitError) as caught, opened(Nats()):
        pass
    assert caught.value.remedy == lacking.remedy
    # Not a mistake of the scenario: the other cells are measured.
    assert caught.value.exit_code == BenchkitError.exit_code


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    broken = started(monkeypatch, tmp_path, ("accounts {", "no-such-thing: 1\naccounts {"))
    with pytest.raises(BrokerError, match="did not start") as caught, broken:
        pass
    assert "no-such-thing" in caught.value.what
    assert not list(tmp_path.iterdir())
