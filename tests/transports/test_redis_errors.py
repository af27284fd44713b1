"""What people see when a Redis URL is wrong, and that a password is never part of it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import traceback
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchkit.errors import BrokerError
from benchkit.runtime.folders import run_folder
from benchkit.transports._redis import valkey
from benchkit.transports._redis.connect import shown
from benchkit.transports.base import Setup, registry
from benchkit.transports.redis_list import RedisList
from benchkit.transports.redis_stream import RedisStream

SECRET = "s3cr%24t-hunter2"  # noqa: S105  (made up for this test)
PLAIN = "s3cr$t-hunter2"


@pytest.fixture(params=[RedisList, RedisStream], ids=["list", "stream"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def protected():
    """A server of the user's own with a password; its port."""
    with run_folder() as (_, folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(valkey.secrets, "token_hex", lambda _: PLAIN)
        patch.setattr(valkey.Embedded, "url", _escaped_url(valkey.Embedded.url))
        with valkey.embedded(folder) as broker:
            yield broker


def _escaped_url(url):
    return lambda self, kind: url(self, kind).replace(PLAIN, SECRET)


def never(key, make):
    raise AssertionError(f"{key} is not shared where the user gives a URL")


def prepare(transport):
    return transport.prepare(Setup("benchkit-errors-0", Path("/nonexistent"), 64, 64, 1, never))


def failure(transport):
    with pytest.raises(BrokerError) as caught, prepare(transport):
        pass
    everything = "".join(traceback.format_exception(caught.value, chain=True)) + repr(caught.value)
    for secret in (SECRET, PLAIN, "hunter2"):
        assert secret not in everything
    assert caught.value.remedy
    return caught.value


@contextmanager
def listener(answer):
    """Accepts one connection after the other; answers `answer` (None: nothing) to what comes first."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as held:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.enter_context(connection)
                if answer is not None:
                    connection.recv(100)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_refused_port(kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(kind(url=f"redis://user:{SECRET}@127.0.0.1:{port}/0"))
    assert "connection refused" in error.what
    assert str(port) in error.where


def test_a_socket_that_is_not_there(kind):
    assert "No such file" in failure(kind(url=f"unix://:{SECRET}@/nonexistent/socket")).what


def test_an_unknown_host(kind):
    assert "cannot connect" in failure(kind(url=f"redis://:{SECRET}@host.invalid:1")).what


def test_a_missing_password(kind, protected):
    url = protected.url("tcp")
    error = failure(kind(url="redis://" + url.rpartition("@")[2]))
    assert "needs a password" in error.what
    assert "needs a password" in failure(kind(url="redis://" + url.rpartition("@")[2] + "?protocol=2")).what


def test_a_wrong_password(kind, protected):
    host = protected.url("tcp").rpartition("@")[2]
    assert "refuses this user or password" in failure(kind(url=f"redis://:wrong{SECRET}@{host}")).what
    assert (
        "refuses this user or password" in failure(kind(url=f"redis://eve:{SECRET}@{host}?protocol=2")).what
    )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03", b""])
def test_a_server_that_speaks_no_redis(kind, answer):
    with listener(answer) as port:
        error = failure(kind(url=f"redis://:{SECRET}@127.0.0.1:{port}"))
    assert "no Redis" in error.what


def test_a_server_that_says_nothing(kind, monkeypatch):
    monkeypatch.setattr("benchkit.transports._redis.connect.CONNECT_S", 0.1)
    with listener(None) as port:
        assert "answers within" in failure(kind(url=f"redis://:{SECRET}@127.0.0.1:{port}")).what


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@host",
        f"redis://:{SECRET}@host:port{SECRET}",
        f"redis://:{SECRET}@host?nonsense=1",
        SECRET,
    ],
)
def test_a_text_that_is_no_redis_url_is_refused_with_the_options(kind, url):
    with pytest.raises(ValidationError, match="not a Redis URL") as caught:
        kind(url=url)
    assert "hunter2" not in str(caught.value)


def test_a_plan_with_another_url_is_wrong_use(tmp_path):
    scenario = Path(__file__).parents[2] / "scenarios" / "dam.yaml"
    words = ["run", str(scenario), "--set", f"transport={{kind: redis-list, url: 'http://:{SECRET}@host'}}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "not a Redis URL" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_password_is_in_no_dump_and_the_ends_do_not_need_it(kind, protected):
    transport = kind(url=protected.url("tcp"), depth=4)
    for text in (
        repr(transport),
        str(transport),
        json.dumps(transport.config()),
        transport.model_dump_json(),
    ):
        assert "hunter2" not in text
    elsewhere = registry.build(transport.config())
    with prepare(transport) as address:
        assert "hunter2" not in address.path
        assert address.broker_pid is None
        receiver, sender = elsewhere.receiver(address, 0), elsewhere.sender(address)
        assert sender.send([b"hello"], 1.0)
        assert receiver.receive(10.0).view == b"hello"
        sender.close()
        receiver.close()


def test_a_bad_option_does_not_quote_the_url(kind):
    with pytest.raises(ValidationError) as caught:
        kind(url=f"redis://:{SECRET}@host", depth=0)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"redis://user:{SECRET}@host:1/2?password={SECRET}", "redis://host:1/2"),
        (f"unix://:{SECRET}@/run/x?password={SECRET}", "unix:///run/x"),
        (f"redis://:pass@{SECRET}@host", "redis://host"),
        (SECRET, "the Redis URL"),
        (f"redis://[{SECRET}", "the Redis URL"),
        (f"redis://:ab/{SECRET}@host", "the Redis URL"),
        (f"redis://:12/{SECRET}@host", "the Redis URL"),
        (f"redis://:12#{SECRET}@host", "the Redis URL"),
        (f"redis://:12?{SECRET}@host", "the Redis URL"),
        (f"redis://host:{SECRET}", "the Redis URL"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, expected):
    assert shown(url) == expected


@pytest.fixture
def certificate(tmp_path):
    """Key and certificate of localhost."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    return certificate, key


def pump(source, target):
    """Carry bytes until one side ends, then end the other."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def tls_port(certificate, protected):
    """A TLS port in front of the server: the embedded broker itself has no TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    path = protected.url("unix").rpartition("@")[2]
    threads = []

    def start(target, *arguments):
        threads.append(threading.Thread(target=target, args=arguments))
        threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def serve():
            with suppress(OSError):
                while True:
                    front = stack.enter_context(context.wrap_socket(server.accept()[0], server_side=True))
                    back = stack.enter_context(socket.socket(socket.AF_UNIX))
                    back.connect(path)
                    start(pump, front, back)
                    start(pump, back, front)

        start(serve)
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def test_tls(kind, tls_port):
    transport = kind(
        url=f"rediss://:{SECRET}@127.0.0.1:{tls_port}?ssl_cert_reqs=none&ssl_check_hostname=false"
    )
    with prepare(transport) as address:
        assert address.path.endswith(" over TLS")
        receiver, sender = transport.receiver(address, 0), transport.sender(address)
        assert receiver.receive(0.01) is None
        for data in (b"", b"x" * 64, bytes(range(256)) * 10_000):
            assert sender.send([data[:20], data[20:]], 10.0)
            delivery = receiver.receive(10.0)
            assert delivery.view == data
            delivery.reply([data])
            delivery.ack()
            delivery.release()
            assert sender.reply(10.0).view == data
        assert sender.reply(0) is None
        sender.close()
        receiver.close()


def test_tls_to_a_server_without_it(kind, protected, monkeypatch):
    monkeypatch.setattr("benchkit.transports._redis.connect.CONNECT_S", 0.2)
    url = protected.url("tcp").replace("redis://", "rediss://")
    error = failure(kind(url=url))
    assert "TLS" in error.what or "TLS" in error.remedy
