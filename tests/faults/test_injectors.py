"""Each injector once, end to end: it bites, the proof says how, and what the transport promises holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from small_trials import Lane, lane

from benchkit.faults import full_disk
from benchkit.faults.base import registry
from benchkit.records.operations import Operations
from benchkit.runtime.disk import why_no_disk
from benchkit.transports.base import registry as transports

TCP = {"kind": "redis-list", "socket": "tcp"}
STREAM = {"kind": "redis-stream", "socket": "tcp"}
needs_disk = pytest.mark.skipif(bool(why_no_disk()), reason=why_no_disk() or "-")


@pytest.fixture(scope="module")
def trials() -> Iterator[Lane]:
    with lane() as made:
        yield made


def lost(rows: Operations) -> int:
    """Acknowledged and never delivered."""
    return int(np.sum((rows["confirmed"] > 0) & (rows["rejected"] == 0) & (rows["received"] == 0)))


CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (TCP, {"kind": "link-delay", "delay": 0.05}, "ms under way on average"),
    (TCP, {"kind": "link-rate", "rate": 5000}, "for 5.0 kB/s"),
    (STREAM, {"kind": "link-blackout", "side": "stage"}, "held back or lost for 0.15 s"),
    (TCP, {"kind": "link-reset", "side": "both"}, "stage: 2 open connections were reset"),
    (
        STREAM,
        {"kind": "link-half-open", "side": "stage"},
        "dead one way (down), 2 of them until they were reset",
    ),
    ({"kind": "http"}, {"kind": "link-half-open", "way": "both"}, "dead one way (both)"),
    ({"kind": "redis-list"}, {"kind": "slow-consumer", "least": 0.02}, "the stage took 2"),
    ({"kind": "shm"}, {"kind": "poison"}, "the stage raised 1 times on it"),
    ({"kind": "redis-list"}, {"kind": "poison", "fatal": True}, "workers died of it"),
    ({"kind": "redis-list"}, {"kind": "broker-oom"}, "commands with OOM, by its own count"),
    ({"kind": "redis-stream"}, {"kind": "broker-oom", "lack": "snapshot"}, "commands with MISCONF"),
    ({"kind": "unix"}, {"kind": "clock-step", "party": "producer", "seconds": -86400}, "-86400 s off"),
]


@pytest.mark.parametrize(("transport", "fault", "evidence"), CASES, ids=lambda each: str(each)[:60])
def test_it_bites_and_the_guarantee_holds(trials, transport, fault, evidence):
    trial, rows = trials.trial(transport, {"lasting": 0.15, **fault})
    assert evidence in trial.proof, (trial.proof, trial.errors, trial.notes)
    assert trial.drained
    assert not trial.errors
    promised = transports.build(transport)
    at_most_once = promised.capabilities().delivery == "at-most-once"
    assert lost(rows) <= (promised.depth if at_most_once else 0)
    after = rows["taken"] > trial.healed_ns
    assert rows[after & (rows["rejected"] == 0)]["received"].all(), "it did not recover"


def test_datagrams_are_lost_and_told(trials):
    trial, rows = trials.trial({"kind": "udp"}, {"kind": "link-loss", "loss": 0.5, "lasting": 0.2})
    assert "datagrams lost" in trial.proof
    during = (rows["taken"] > trial.injected_ns) & (rows["taken"] < trial.healed_ns)
    assert 0 < np.sum(rows[during]["received"] == 0) < np.sum(during)


def test_a_poisoned_message_is_the_only_one_that_fails(trials):
    trial, rows = trials.trial({"kind": "redis-stream"}, {"kind": "poison", "lasting": 0.1})
    assert trial.proof
    assert np.sum(rows["failed"] > 0) == 1
    assert np.sum(rows["finished"] > 0) == len(rows) - 1


def test_a_message_that_kills_its_worker_is_delivered_until_the_stage_is_mended(trials):
    trial, rows = trials.trial({"kind": "nats"}, {"kind": "poison", "fatal": True, "lasting": 0.2})
    assert trial.proof
    (again,) = rows[rows["deliveries"] > 1]
    assert again["acked"] > trial.healed_ns
    assert {death["party"] for death in trial.deaths} == {"stage-0"}


@needs_disk
def test_shared_memory_that_is_full_stops_nothing_that_was_allocated(trials):
    trial, rows = trials.trial({"kind": "shm"}, {"kind": "full-shm", "size": "32MB", "lasting": 0.15})
    assert "a page more was refused at the end" in trial.proof
    assert rows["received"].all()


@needs_disk
def test_a_broker_that_dies_of_its_full_disk_comes_back_with_all_that_it_confirmed(trials):
    cell = {"kind": "redis-list", "persistence": "aof-always"}
    trial, rows = trials.trial(cell, {"kind": "full-disk", "size": "8MB", "lasting": 0.15})
    assert "until ENOSPC" in trial.proof
    assert [death["party"] for death in trial.deaths] == ["broker"]
    assert "died of its full disk" in trial.notes[0]
    assert trial.capabilities["level"] == "AOF always, on a disk in memory"
    assert lost(rows) == 0


@needs_disk
def test_a_broker_that_lives_on_a_full_disk_refuses_or_stands_still(trials):
    """Which of the two NATS does is a matter of what waits in it when the last byte is taken."""
    cell = {"kind": "nats", "storage": "file"}
    trial, rows = trials.trial(cell, {"kind": "full-disk", "size": "32MB", "lasting": 0.25})
    assert "until ENOSPC" in trial.proof, (trial.errors, trial.notes)
    stood = any(
        words in trial.proof for words in ("no worker was given one", "nobody confirmed", "nothing could")
    )
    assert stood or np.any(rows["rejected"] > 0)
    assert lost(rows) == 0


@dataclass
class Counted:
    """A scene of which nothing but the journals' counts is asked; `later` come while somebody waits."""

    counts: dict[str, int]
    later: dict[str, int] = field(default_factory=dict)

    def count(self, *what: str) -> int:
        return sum(self.counts.get(name, 0) for name in what)

    def wait(self, seconds: float, until: Callable[[], bool]) -> bool:
        self.counts |= self.later
        return until()


STANDING = {"SENT": 67, "CONFIRMED": 65, "RECEIVED": 59, "ACKED": 59}


@pytest.mark.parametrize(
    ("counts", "later", "found"),
    [
        (STANDING, {}, 8),
        (STANDING, {"RECEIVED": 60, "ACKED": 60}, 0),
        (STANDING, {"CONFIRMED": 66}, 0),
        (STANDING, {"BROKEN": 1}, 0),
        ({**STANDING, "RECEIVED": 60}, {}, 0),
        ({"SENT": 59, "CONFIRMED": 59, "RECEIVED": 59, "ACKED": 59}, {}, 0),
    ],
    ids=["waits", "serves", "takes", "noticed", "a worker is busy", "nothing waits"],
)
def test_a_broker_that_hands_out_nothing_of_what_waits_is_evidence(counts, later, found):
    assert full_disk.stuck(Counted(dict(counts), later)) == found


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"kind": "broker-restart"}, {"kind": "shm"}, "has no broker"),
    ({"kind": "broker-restart"}, {"kind": "redis-list", "url": "redis://h"}, "not the run's own"),
    ({"kind": "link-delay"}, {"kind": "redis-list"}, "write socket: tcp"),
    ({"kind": "link-delay", "side": "stage"}, {"kind": "http"}, "one link only"),
    ({"kind": "link-loss"}, {"kind": "http"}, "TCP, which repeats what is lost"),
    ({"kind": "link-reset"}, {"kind": "udp"}, "no connections"),
    ({"kind": "link-half-open"}, {"kind": "udp"}, "no connections"),
    ({"kind": "full-disk"}, {"kind": "http"}, "no broker that keeps files"),
    ({"kind": "full-disk"}, {"kind": "redis-list"}, "no persistence"),
    ({"kind": "full-disk"}, {"kind": "nats", "storage": "file", "url": "nats://h"}, "not the run's own"),
    ({"kind": "full-shm"}, {"kind": "http"}, "never filled"),
    ({"kind": "broker-oom"}, {"kind": "nats"}, "no embedded Valkey"),
    ({"kind": "broker-oom"}, {"kind": "redis-list", "url": "redis://h"}, "not the run's own"),
]


@pytest.mark.parametrize(("fault", "transport", "why"), REFUSED, ids=lambda each: str(each)[:50])
def test_what_cannot_be_done_to_a_cell_is_refused_with_the_reason(fault, transport, why):
    assert why in registry.build(fault).refuses(transports.build(transport))
    assert not registry.build({"kind": "slow-consumer"}).refuses(transports.build(transport))


def test_a_fault_without_evidence_proves_nothing(trials):
    """A clock that nobody steps, a link that nobody cuts: the proof is empty, and the trial is invalid by it."""

    class Idle:
        memory: dict[Any, Any] = {}  # noqa: RUF012  (nothing is written to it)
        log = ()
        links: dict[str, Any] = {}  # noqa: RUF012  (likewise)

        def clocks(self, _party: str) -> tuple[()]:
            return ()

        def of(self, _seq: int) -> dict[str, int]:
            return {}

        def count(self, *_what: str) -> int:
            return 0

        def service_ns(self, *_when: int) -> tuple[()]:
            return ()

    options = {
        "combined": {"faults": [{"kind": "link-delay"}, {"kind": "poison"}]},
        "kill": {"party": "stage"}, "stop": {"party": "stage"}, "crash-loop": {"party": "stage"},
    }  # fmt: skip
    for kind in registry.entries():
        assert registry.build({"kind": kind, **options.get(kind, {})}).proof(Idle()) == "", kind
