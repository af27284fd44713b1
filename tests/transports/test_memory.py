"""No transport holds more than (slots in flight + 2) payloads in any process; whole GiB cross or are refused.

`BENCHKIT_BIG=1 pytest tests/transports/test_memory.py` sends a GiB over every transport (3: three of them, beyond
what one system call moves); without it 64 MiB cross all of them, and a GiB one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import ends
import pytest
from ends import PATIENCE_S, Memory, Pair, pair, payload, shared_bytes
from opened import opened, settle, taken
from test_conformance import skip_if_absent

from benchkit.transports.base import Address, Buffer, Reply, Sender, Transport, registry
from benchkit.transports.inproc import Inproc
from benchkit.transports.unix import Unix
from benchkit.units import show_bytes

BIG = int(os.environ.get("BENCHKIT_BIG", "0"))
GIB = 1 << 30
CHEAPEST = "shm"
"""Of all, the one that copies a GiB least often."""

PAYLOAD_BYTES = 16 << 20
DEPTH = 4
ROUNDS = 2
STREAMED = 8
MOST_BYTES = (DEPTH + 2) * PAYLOAD_BYTES
MOST_IN_BROKER_BYTES = (2 * DEPTH + 2) * PAYLOAD_BYTES
"""A server holds what waits (`depth`) and what is in workers' hands besides, one value that comes in and one answer
that goes out."""
GARBAGE = {"nats": 3, "rabbitmq": 2}
"""Of a server in Go: by default its heap may grow to twice of what is alive before anything is given back. Of one in
Erlang: a payload lives until the collector of each process that touched it has run."""
CONSTANT_BYTES = PAYLOAD_BYTES // 3
"""For an interpreter and its libraries; too little for one payload more to go unseen."""

KINDS = [kind for kind in registry.entries() if not registry.load(kind)().capabilities().same_process]
ends.forks.set_forkserver_preload(
    ["ends", *(registry.entries()[kind].target.partition(":")[0] for kind in KINDS)]
)


def transport_of(kind: str, depth: int) -> Transport:
    skip_if_absent(kind)
    return registry.build({"kind": kind, "depth": depth})


def one_round(both: Pair) -> int:
    """All slots full with nobody receiving; all of them in the worker's hands; empty. Shared memory in bytes."""
    taken = both.producer.do("fill")
    assert 1 <= taken <= DEPTH + 1
    # Of large messages some transports take one alone while nobody receives.
    both.producer.begin("send", max(0, DEPTH - taken))
    assert both.worker.do("hold", DEPTH) == [both.producer.digest] * DEPTH
    assert both.producer.finish() == 0
    shared = shared_bytes(both.name)
    both.worker.do("settle", reply=True)
    left = max(0, taken - DEPTH)
    assert both.worker.do("serve", left) == left
    assert both.producer.do("replies", DEPTH + left) == DEPTH + left
    return shared


def stream(both: Pair) -> None:
    both.producer.begin("send", STREAMED)
    assert both.worker.do("serve", STREAMED) == STREAMED
    seen = both.producer.finish()
    assert both.producer.do("replies", STREAMED - seen) == STREAMED - seen


def held_bytes(transport: Transport) -> dict[str, int]:
    """By role, what its process took at most, and of shared memory."""
    with pair(transport, PAYLOAD_BYTES) as both:
        address = both.warm()
        pids = {"producer": both.producer.process.pid, "worker": both.worker.process.pid}
        memory = {role: Memory(pid) for role, pid in pids.items() if pid is not None}
        if address.broker_pid is not None:
            memory["broker"] = Memory(address.broker_pid)
        with both.open(PAYLOAD_BYTES):
            shared = max(one_round(both) for _ in range(ROUNDS))
            stream(both)
            return {**{role: each.grown_bytes for role, each in memory.items()}, "shared memory": shared}


@pytest.mark.parametrize("kind", KINDS)
def test_no_process_holds_more_than_two_payloads_beyond_the_slots(kind: str) -> None:
    held = held_bytes(transport_of(kind, DEPTH))
    told = ", ".join(f"{role} {nbytes / PAYLOAD_BYTES:.2f}" for role, nbytes in held.items())
    print(f"\n{kind}, {DEPTH} slots, payloads held: {told}")  # noqa: T201  (the figures, with -s)
    for role, nbytes in held.items():
        most = MOST_IN_BROKER_BYTES * GARBAGE.get(kind, 1) if role == "broker" else MOST_BYTES
        assert nbytes <= most + CONSTANT_BYTES, f"{role} of {kind}: {show_bytes(nbytes)} ({told} payloads)"


class _HoardingSender(Sender):
    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._hoard: list[bytes] = []

    def reply(self, timeout: float) -> Reply | None:
        return self._sender.reply(timeout)

    def close(self) -> None:
        self._sender.close()

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        sent = self._sender.send(parts, timeout)
        if sent:
            self._hoard.append(b"".join(parts))
        return sent


class Hoarding(Unix):
    """Keeps a copy of everything that was sent."""

    def sender(self, address: Address) -> Sender:
        return _HoardingSender(super().sender(address))


def test_a_transport_that_keeps_more_is_seen() -> None:
    held = held_bytes(Hoarding(depth=DEPTH))
    assert held["producer"] > MOST_BYTES + CONSTANT_BYTES
    assert held["worker"] <= MOST_BYTES + CONSTANT_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_a_gib_crosses_or_is_refused_with_the_limit_named(kind: str) -> None:
    transport = transport_of(kind, 1)
    promised = transport.capabilities()
    whole = BIG or kind == CHEAPEST or promised.max_message_bytes is not None
    nbytes = max(BIG, 1) * GIB if whole else GIB // 16
    with pair(transport, nbytes, sparse=True) as both, both.open(nbytes):
        if promised.max_message_bytes is not None and promised.max_message_bytes < nbytes:
            said = both.producer.do("refused")
            assert f"at most {promised.max_message_bytes}" in said
            return
        both.producer.begin("send", 1)
        assert both.worker.do("hold", 1) == [both.producer.digest]
        assert both.producer.finish() == 0
        both.worker.do("settle", reply=True)
        assert both.producer.do("replies", 1) == 1


def test_a_gib_crosses_threads() -> None:
    nbytes = max(BIG, 1) * GIB if BIG else GIB // 16
    content = payload(nbytes, sparse=True)
    with opened(Inproc(depth=1), message_bytes=nbytes) as both:
        receiver = both.receiver()
        assert both.sender().send((content,), PATIENCE_S)
        delivery = taken(receiver)
        assert delivery.view == content
        settle(delivery)
