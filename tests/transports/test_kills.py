"""SIGKILL of producer, worker or broker at seeded random moments: what each transport declares still holds.

20 moments for each transport; `BENCHKIT_KILLS=200 pytest tests/transports/test_kills.py` for more.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import killing
import pytest
from killing import MESSAGE_BYTES, PRODUCER, READY, REPLY_BYTES, Crew, Ledger, message, number_of
from test_conformance import skip_if_absent

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.testing.leaving import nothing_in
from benchkit.transports.base import Address, Transport, registry

pytestmark = pytest.mark.quiet

KILLS = int(os.environ.get("BENCHKIT_KILLS", "20"))
DEPTH = 4
WORKERS = 2
QUIET_S = 0.3

KINDS = [
    kind for kind in registry.entries() if not registry.load(kind)().capabilities().same_process
]  # fmt: skip
killing.forks.set_forkserver_preload(
    ["killing", *(registry.entries()[kind].target.partition(":")[0] for kind in KINDS)]
)


@pytest.fixture
def site() -> Iterator[Site]:
    with run_folder() as (name, folder):
        with ExitStack() as services:
            yield Site(name, folder, services)
        nothing_in(folder, name)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


def _spin(seconds: float) -> None:
    """The kill should come at any instruction, so no timer's grid."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@contextmanager
def _crew(transport: Transport, site: Site, ledger: Ledger) -> Iterator[tuple[Address, Crew]]:
    site.look()
    setup = site.setup(MESSAGE_BYTES, REPLY_BYTES, WORKERS)
    with transport.prepare(setup) as address:
        site.opened(address)
        crew = Crew(transport, address, WORKERS, ledger)
        try:
            crew.start_all()
            yield address, crew
        finally:
            crew.kill_all()


def _judge(transport: Transport, ledger: Ledger) -> None:
    """Torn messages are told at once; here: nothing invented, twice, or answered without being worked on."""
    assert set(ledger.received) <= ledger.begun, "a message was received that nobody sent"
    assert set(ledger.replied) <= set(ledger.received), "a message was answered that no worker had"
    # What a producer saw just before it was killed its successor may see once more: nobody knows that it was seen.
    again = int(transport.capabilities().delivery != "at-most-once" and ledger.said[READY, PRODUCER] > 1)
    assert not [number for number, times in ledger.replied.items() if times > ledger.received[number] + again]
    assert not ledger.again, "acknowledged messages were delivered again"
    if transport.capabilities().delivery == "at-most-once":
        assert max(ledger.received.values()) == 1, "a message was delivered twice"


def _all_arrived(transport: Transport, ledger: Ledger) -> None:
    if transport.capabilities().delivery != "at-most-once":
        ledger.listen(killing.PATIENCE_S, lambda: ledger.sent <= set(ledger.received))
        lost = sorted(ledger.sent - set(ledger.received))
        assert not lost, f"{len(lost)} messages were sent and are lost: {lost[:5]}"
    ledger.listen(QUIET_S)


def _all_room_is_back(transport: Transport, address: Address) -> None:
    """After everybody was killed, one living pair finds a transport that takes `depth` messages."""
    with ExitStack() as ends:
        receivers = []
        for worker in range(WORKERS):
            receivers.append(transport.receiver(address, worker))
            ends.callback(receivers[-1].close)
        for receiver in receivers:
            while (delivery := receiver.receive(QUIET_S)) is not None:
                delivery.ack()
                delivery.release()
        sender = transport.sender(address)
        ends.callback(sender.close)
        numbers = {1000 + number for number in range(DEPTH)}
        assert [sender.send(message(number), 5.0) for number in numbers] == [True] * DEPTH, "room has leaked"
        while numbers:
            for receiver in receivers:
                if (delivery := receiver.receive(0.05)) is not None:
                    number = number_of(delivery.view)
                    assert number is not None
                    numbers.discard(number)
                    delivery.ack()
                    delivery.release()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_death_at_any_moment(kind: str, site: Site, ledger: Ledger) -> None:
    skip_if_absent(kind)
    transport = registry.build({"kind": kind, "depth": DEPTH})
    chance = random.Random(kind)
    with _crew(transport, site, ledger) as (address, crew):
        crew.flows()
        for _ in range(KILLS):
            victim = chance.choice([PRODUCER, *range(WORKERS)])
            _spin(chance.uniform(0, 3e-3))
            crew.kill(victim)
            crew.start(victim)
            crew.flows()
        crew.kill(PRODUCER)
        _all_arrived(transport, ledger)
        crew.kill_all()
        _all_room_is_back(transport, address)
    _judge(transport, ledger)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not registry.load(kind).brokerless])
def test_death_of_the_broker(kind: str, site: Site, ledger: Ledger) -> None:
    skip_if_absent(kind)
    transport = registry.build({"kind": kind, "depth": DEPTH})
    chance = random.Random(kind)
    for _ in range(max(KILLS // 10, 2)):
        with _crew(transport, site, ledger) as (address, crew):
            crew.flows()
            _spin(chance.uniform(0, 3e-3))
            assert address.broker_pid is not None
            os.kill(address.broker_pid, signal.SIGKILL)
            assert crew.end(), "a party does not notice that its broker is dead"
    _judge(transport, ledger)
