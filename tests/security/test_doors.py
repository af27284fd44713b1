"""Who else is on this machine finds every door of every transport closed, and a knock disturbs nobody."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from canaries import payloads
from doors import SHARED, Door, doors, family, is_private, knock

from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.runtime.folders import run_folder
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, Envelope, pack, unpack
from benchkit.transports.base import Delivery, Receiver, Sender, Transport, registry

PATIENCE_S = 10.0
BODY = b"what is measured"
BUILT_IN = {
    "http": {}, "inproc": {}, "iceoryx2": {}, "kserve-http": {}, "mp-queue": {}, "nats": {}, "rabbitmq": {},
    "redis-list": {"socket": "tcp"}, "redis-stream": {}, "shm": {}, "udp": {}, "unix": {}, "zeromq": {"via": "tcp"},
}  # fmt: skip
DOORS: dict[str, set[str]] = {
    "http": {"tcp"}, "inproc": set(), "iceoryx2": {"unix"}, "kserve-http": {"tcp"}, "mp-queue": {"unix"},
    "nats": {"tcp"}, "rabbitmq": {"tcp"}, "redis-list": {"tcp", "unix"}, "redis-stream": {"unix"}, "shm": set(),
    "udp": {"udp"}, "unix": {"unix"}, "tcp": {"tcp"}, "ipc": {"unix"},
}  # fmt: skip
"""What must be found, so that a look that finds nothing is no proof."""
VARIANTS = [*BUILT_IN.items(), ("zeromq", {"via": "ipc"})]
NAMES = [f"{kind} {' '.join(map(str, options.values()))}".strip() for kind, options in VARIANTS]


def test_every_transport_is_looked_at() -> None:
    assert BUILT_IN.keys() >= {
        k for k, entry in registry.entries().items() if entry.distribution == "benchkit"
    }


class House:
    """A transport with both ends open, and what it brought into the machine."""

    def __init__(self, transport: Transport, stack: ExitStack) -> None:
        name, self.folder = stack.enter_context(run_folder())
        services = stack.enter_context(ExitStack())
        before, shared = doors(family(os.getpid())), set(SHARED.iterdir()) if SHARED.is_dir() else set()
        setup = Site(name, self.folder, services).setup(1 << 16, 1 << 16, 1)
        self.address = stack.enter_context(transport.prepare(setup))
        self.receiver: Receiver = transport.receiver(self.address, 0)
        stack.callback(self.receiver.close)
        self.sender: Sender = transport.sender(self.address)
        stack.callback(self.sender.close)
        self.doors = doors(family(os.getpid())) - before
        self.segments = set(SHARED.iterdir()) - shared if SHARED.is_dir() else set()

    def exchange(self, number: int, content: bytes = BODY) -> None:
        """One message over and its reply back, both as they were sent and nothing else."""
        body = content + number.to_bytes(4, "little")
        assert self.sender.send((pack(Envelope(number, len(body))), body), PATIENCE_S)
        delivery = self._taken()
        envelope, arrived = unpack(delivery.view)
        assert (envelope.seq, bytes(arrived)) == (number, body)
        delivery.reply((pack(Envelope(number, len(body), REPLY)), body))
        delivery.ack()
        delivery.release()
        reply = self.sender.reply(PATIENCE_S)
        assert reply is not None
        assert (unpack(reply.view)[0].seq, bytes(reply.view[ENVELOPE_BYTES:])) == (number, body)

    def _taken(self) -> Delivery:
        delivery = self.receiver.receive(PATIENCE_S)
        assert delivery is not None
        return delivery


@contextmanager
def house(kind: str, options: dict[str, str]) -> Iterator[House]:
    """As under the most careless umask."""
    try:
        cls = registry.require(kind)
    except BenchkitError as error:
        pytest.skip(str(error))
    if lacking := cls.lacks():
        pytest.skip(str(lacking))
    before = os.umask(0)
    try:
        with ExitStack() as stack:
            yield House(cls.model_validate(options), stack)
    finally:
        os.umask(before)


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=NAMES)
def test_a_stranger_finds_no_way_in_and_disturbs_nothing_and_nothing_carried_is_executed(
    kind: str, options: dict[str, str], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    with house(kind, options) as made, ExitStack() as stack:
        made.exchange(0)
        assert {door.kind for door in made.doors} == DOORS[kind if kind != "zeromq" else options["via"]]
        for door in made.doors:
            _is_closed(door, made.folder)
        _are_closed(made)
        kept: list[socket.socket] = []
        stack.callback(lambda: [each.close() for each in kept])
        for door in made.doors:
            knock(door, kept)
        for number, content in enumerate(payloads(canary).values(), 1):
            made.exchange(number, content)
        assert made.receiver.receive(0) is None
        assert made.sender.reply(0) is None
    assert not canary.exists()


def _is_closed(door: Door, folder: Path) -> None:
    if isinstance(door.address, str):
        path = Path(door.address)
        # One in the abstract namespace has no mode: every user may connect.
        assert path.is_relative_to(folder), door
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600, door
    else:
        assert ipaddress.ip_address(door.address[0]).is_loopback, door


def _are_closed(made: House) -> None:
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.folder.parent.stat().st_mode) == 0o700
    for path in made.folder.rglob("*"):
        assert is_private(path)
        if path.is_socket() or path.is_fifo():
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600, path
    for path in made.segments:
        with suppress(FileNotFoundError):  # of another test beside this one
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600, path


@pytest.mark.parametrize("kind", ["http", "kserve-http"])
def test_the_path_of_an_http_stage_is_in_no_name_that_others_can_read(kind: str) -> None:
    """The names of a run stand in /proc/net/unix, in /dev/shm and on command lines."""
    with house(kind, {}) as made:
        key = str(made.address.where.get("path") or made.address.where["model"]).strip("/")
        assert len(key) >= 22
        assert made.folder.name not in key
        with house(kind, {}) as other:
            assert key not in str(other.address.where)
