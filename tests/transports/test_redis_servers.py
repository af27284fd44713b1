"""Redis 6.2 to 8 and Valkey: what is sent is old enough, a narrow user may send it, real servers take it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import authority as authority_of
import pytest
import redis
from redis_servers import found, instead, server, version

from benchkit.errors import BrokerError
from benchkit.testing import check_transport
from benchkit.transports._redis import __doc__ as head
from benchkit.transports._redis.commands import OPTIONAL, SINCE, rights
from benchkit.transports._redis.connect import OLDEST
from benchkit.transports.base import Setup, registry

VARIANTS = [
    {"kind": kind, "layout": layout, "client": client}
    for kind in ("redis-list", "redis-stream")
    for layout in ("inline", "claim-check")
    for client in ("fast", "plain")
]
LIBRARYS = {"client|setinfo", "select", "command", "acl|whoami"}
"""What redis-py may send on its own account, and goes on without when it is refused."""
THE_TESTS = {"acl|setuser", "config|set", "config|resetstat"}
PROGRAMS = found()


def ids(options: dict[str, str]) -> str:
    return "-".join(options.values())


def never(key, make):
    raise AssertionError(key)


def _busy(options: dict[str, str], url: str, folder: Path) -> None:
    """All that the two ends do: send, reply, acknowledge in any order, take over, leave messages behind."""
    extra = {"claim_after": 0.001} if options["kind"] == "redis-stream" else {}
    transport = registry.build({**options, **extra, "url": url, "depth": 8})
    name = f"benchkit-busy-{ids(options)}"
    with transport.prepare(Setup(name, folder, 4096, 64, 2, never)) as address, ExitStack() as ends:
        sender = transport.sender(address)
        ends.callback(sender.close)
        first = transport.receiver(address, 0)
        ends.callback(first.close)
        for number in range(8):
            assert sender.send([b"%d" % number], 1.0)
        assert not sender.send([b"full"], 0.01)
        held = [first.receive(5.0) for _ in range(3)]
        held[1].reply([b"yes"])
        for delivery in (held[1], held[0]):
            delivery.ack()
            delivery.release()
        assert sender.reply(5.0).view == b"yes"
        assert sender.reply(0) is None
        # The same number once more: a predecessor that must be ended, and one message that it held.
        again = transport.receiver(address, 0)
        ends.callback(again.close)
        seen = {bytes(again.receive(5.0).view) for _ in range(2)}
        assert b"2" in seen
        peer = transport.receiver(address, 1)
        ends.callback(peer.close)
        peer.look()
        assert peer.receive(0.01) is not None


def test_every_command_that_is_sent_is_in_the_table_and_old_enough(tmp_path):
    with server(None) as broker, redis.Redis.from_url(broker.url("unix")) as client:
        client.config_resetstat()
        for options in VARIANTS:
            _busy(options, broker.url("unix"), tmp_path)
        said = client.info("commandstats")
    sent = {name.removeprefix("cmdstat_") for name in said} - LIBRARYS - THE_TESTS
    assert sent - set(OPTIONAL) <= set(SINCE), "a command is missing from the table"
    assert set(SINCE) - sent <= {"auth", "hdel"} | {"lset", "hget", "lmove", "client|reply"}, "not needed"
    assert max(SINCE.values()) <= OLDEST


@pytest.mark.parametrize("options", VARIANTS, ids=ids)
def test_the_rights_in_the_table_suffice(options, narrow, tmp_path):
    _busy(options, narrow, tmp_path)


@pytest.fixture(scope="module")
def narrow():
    """The URL of a user who may do what the table says and nothing else."""
    with server(None) as broker, redis.Redis.from_url(broker.url("unix")) as client:
        client.execute_command("ACL", "SETUSER", "bench", "on", ">narrow", *rights())
        path = broker.url("unix").rpartition("@")[2]
        yield f"unix://bench:narrow@{path}"


def test_the_narrow_user_is_narrow(narrow):
    with redis.Redis.from_url(narrow) as client:
        for words in (("GET", "other"), ("FLUSHALL",), ("CONFIG", "GET", "dir")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words)


def test_the_documented_rights_are_the_tables():
    words = head.split("ACL SETUSER bench on >password ")[1].split()
    assert tuple(words) == rights()


def test_a_user_without_a_right_is_told_so(tmp_path):
    with server(None) as broker, redis.Redis.from_url(broker.url("unix")) as client:
        client.execute_command("ACL", "SETUSER", "bench", "on", ">narrow", *rights(), "-xgroup")
        path = broker.url("unix").rpartition("@")[2]
        transport = registry.build({"kind": "redis-stream", "url": f"unix://bench:narrow@{path}"})
        with (
            pytest.raises(BrokerError, match="refuses what this transport needs"),
            transport.prepare(Setup("benchkit-narrow", tmp_path, 64, 64, 1, never)),
        ):
            pass


@pytest.mark.parametrize("kind", ["redis-list", "redis-stream"])
@pytest.mark.parametrize("is_open", [False, True], ids=["password", "open"])
def test_a_server_that_knows_no_hello_is_spoken_to_in_resp2(kind, is_open, tmp_path):
    with server(None, 'rename-command HELLO ""') as broker:
        url = broker.url("unix")
        if is_open:
            with redis.Redis.from_url(url, protocol=2) as client:
                client.execute_command("ACL", "SETUSER", "default", "nopass")
            url = "unix://" + url.rpartition("@")[2]
        transport = registry.build({"kind": kind, "url": url})
        with transport.prepare(Setup("benchkit-resp2", tmp_path, 64, 64, 1, never)) as address:
            receiver, sender = transport.receiver(address, 0), transport.sender(address)
            assert sender.send([b"hello"], 1.0)
            assert receiver.receive(10.0).view == b"hello"
            sender.close()
            receiver.close()
        insisting = registry.build({"kind": kind, "url": url + "?protocol=3"})
        with pytest.raises(BrokerError), insisting.prepare(Setup("benchkit-3", tmp_path, 64, 64, 1, never)):
            pass


# The defaults are checked with all other transports; the rest of the eight by `_busy`.
CHECKED = [VARIANTS[number] for number in (1, 2, 6, 7)]


@pytest.mark.slow
@pytest.mark.parametrize("options", CHECKED, ids=ids)
def test_other_variants_keep_the_promises_of_the_seam(options):
    assert len(check_transport(registry.build(options), quick=True).held) >= 16


needs_servers = pytest.mark.skipif(
    not PROGRAMS, reason="no redis-server on the PATH and none in BENCHKIT_REDIS_SERVERS"
)


@needs_servers
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis-list", "redis-stream"])
@pytest.mark.parametrize("program", PROGRAMS, ids=[version(program) for program in PROGRAMS])
def test_another_server_keeps_the_promises_too(program, kind, tmp_path):
    with instead(program):
        assert len(check_transport(registry.build({"kind": kind}), quick=True).held) >= 16
    with server(program) as broker:
        for options in VARIANTS:
            _busy(options, broker.url("unix"), tmp_path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of this test, and a server's certificate signed by it."""
    return authority_of.made(tmp_path_factory.mktemp("authority"))


@needs_servers
@pytest.mark.parametrize("program", PROGRAMS, ids=[version(program) for program in PROGRAMS])
def test_a_real_server_over_tls_with_its_certificate_checked(program, authority, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    files = f'tls-cert-file "{authority}/server.pem"\ntls-key-file "{authority}/server.key"'
    more = f'{files}\ntls-ca-cert-file "{authority}/ca.pem"\ntls-auth-clients no\ntls-port {port}'
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(server(program, more))
        except BrokerError as error:
            if "Bad directive" in str(error) or "TLS" in str(error):
                pytest.skip(f"{version(program)} was built without TLS")
            raise
        password = broker.url("unix").partition("//:")[2].partition("@")[0]
        url = f"rediss://:{password}@localhost:{port}"
        for options in VARIANTS:
            _busy(options, f"{url}?ssl_ca_certs={authority}/ca.pem", tmp_path)
        stranger = registry.build({"kind": "redis-list", "url": url})
        with (
            pytest.raises(BrokerError, match="certificate"),
            stranger.prepare(Setup("benchkit-stranger", tmp_path, 64, 64, 1, never)),
        ):
            pass
