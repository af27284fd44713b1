"""Parties that can be killed at any instruction, and a ledger of what they said before.

A party says what it does in records of a pipe that all share. A write of so few bytes is atomic, so what was
said before a SIGKILL is there, whole, and in the order in which it happened.
"""

from __future__ import annotations

import multiprocessing
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchkit.errors import BenchkitError, MessageError
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, Envelope, pack, unpack_envelope
from benchkit.transports.base import Address, Delivery, Transport, registry

forks = multiprocessing.get_context("forkserver")

MESSAGE_BYTES = 1 << 20
REPLY_BYTES = ENVELOPE_BYTES
PATIENCE_S = 60.0
READY, BEGUN, SENT, RECEIVED, ACKED, REPLIED, TORN, BROKEN = range(8)
PRODUCER = 255
_RECORD = struct.Struct("<BBQ")
_SIZES = (ENVELOPE_BYTES, 128, 4096, 70_000, 300_000, MESSAGE_BYTES)
_FIRST_BITS = 32
"""Numbers of the producers begin this far apart."""


def message(number: int) -> tuple[bytes, bytes]:
    """An envelope with its number, and one byte again and again, so that a mixture of two is seen."""
    body = bytes([number % 251]) * (_SIZES[number % 6] - ENVELOPE_BYTES)
    return pack(Envelope(number, len(body))), body


def number_of(view: memoryview) -> int | None:
    """The number of a message that is whole, or None."""
    try:
        number = unpack_envelope(view).seq
    except MessageError:
        return None
    return number if view == b"".join(message(number)) else None


def answered(view: memoryview) -> int | None:
    """The number of a reply that is whole, or None."""
    try:
        return unpack_envelope(view).seq if view.nbytes == REPLY_BYTES else None
    except MessageError:
        return None


class _Voice:
    def __init__(self, news: Connection, party: int) -> None:
        self._send = news.send_bytes
        self._party = party

    def say(self, what: int, number: int = 0) -> None:
        self._send(_RECORD.pack(what, self._party, number))


def produce(config: dict[str, Any], address: Address, news: Connection, turn: int) -> None:
    """Send numbered messages for ever."""
    say = _Voice(news, PRODUCER).say
    number = turn << _FIRST_BITS
    try:
        sender = registry.build(config).sender(address)
        say(READY)

        def look() -> None:
            while (reply := sender.reply(0)) is not None:
                if reply.lost:
                    continue
                told = answered(reply.view)
                say(*((TORN, 0) if told is None else (REPLIED, told)))

        handed: deque[int] = deque()
        while True:
            say(BEGUN, number)
            while not sender.send(message(number), 0.02):
                look()
            handed.append(number)
            # What its broker has not confirmed may die with this process, unread in a socket.
            while len(handed) > sender.unconfirmed():
                say(SENT, handed.popleft())
            look()
            number += 1
    except BenchkitError:
        say(BROKEN)


def work(config: dict[str, Any], address: Address, news: Connection, worker: int) -> None:
    """Receive, check every byte, reply and acknowledge, for ever."""
    say = _Voice(news, worker).say

    def settle(delivery: Delivery) -> None:
        number = number_of(delivery.view)
        if number is None:
            say(TORN)
            return
        say(RECEIVED, number)
        delivery.reply((pack(Envelope(number, 0, REPLY)),))
        delivery.ack()
        say(ACKED, number)
        delivery.release()

    try:
        receiver = registry.build(config).receiver(address, worker)
        say(READY)
        while True:
            if (delivery := receiver.receive(0.2)) is not None:
                settle(delivery)
                del delivery
    except BenchkitError:
        say(BROKEN)


class Ledger:
    """What all parties of one transport have said."""

    def __init__(self) -> None:
        self._news, self.voice = forks.Pipe(duplex=False)
        self.said: Counter[tuple[int, int]] = Counter()
        """How often (what, party)."""
        self.begun: set[int] = set()
        self.sent: set[int] = set()
        self.received: Counter[int] = Counter()
        self.acked: set[int] = set()
        self.replied: Counter[int] = Counter()
        self.again: list[int] = []
        """Received once more after they were acknowledged."""

    def close(self) -> None:
        self._news.close()
        self.voice.close()

    def _enter(self, record: bytes) -> None:
        what, party, number = _RECORD.unpack(record)
        self.said[what, party] += 1
        if what == BEGUN:
            self.begun.add(number)
        elif what == SENT:
            self.sent.add(number)
        elif what == RECEIVED:
            self.received[number] += 1
            if number in self.acked:
                self.again.append(number)
        elif what == ACKED:
            self.acked.add(number)
        elif what == REPLIED:
            self.replied[number] += 1
        elif what == TORN:
            raise AssertionError(f"party {party} got a torn message")

    def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Enter what is said for so long, or until `until()`; whether that came."""
        deadline = time.perf_counter() + seconds
        while not until():
            left = deadline - time.perf_counter()
            if left <= 0:
                return False
            if self._news.poll(min(left, 0.05)):
                self._enter(self._news.recv_bytes())
        return True


class Crew:
    """The living parties of one prepared transport."""

    def __init__(self, transport: Transport, address: Address, workers: int, ledger: Ledger) -> None:
        self._config = transport.config()
        self._address = address
        self._workers = workers
        self.ledger = ledger
        self._turn = 0
        self._processes: dict[int, BaseProcess] = {}

    def start(self, party: int) -> None:
        """Start a party; it is ready when this returns (a worker) or soon (the producer)."""
        before = self.ledger.said[READY, party]
        if party == PRODUCER:
            self._turn = self.ledger.said[READY, PRODUCER] + self.ledger.said[BROKEN, PRODUCER] + 1
            target, last = produce, self._turn
        else:
            target, last = work, party
        process = forks.Process(
            target=target, args=(self._config, self._address, self.ledger.voice, last), daemon=True
        )
        process.start()
        self._processes[party] = process
        if party != PRODUCER:
            came = self.ledger.listen(PATIENCE_S, lambda: self.ledger.said[READY, party] > before)
            assert came, f"worker {party} cannot be opened again"

    def start_all(self) -> None:
        """All workers, then the producer."""
        for worker in range(self._workers):
            self.start(worker)
        self.start(PRODUCER)

    def kill(self, party: int) -> None:
        """SIGKILL; what it said is entered."""
        process = self._processes.pop(party)
        process.kill()
        process.join()
        process.close()
        self.ledger.listen(0)

    def kill_all(self) -> None:
        for party in tuple(self._processes):
            self.kill(party)

    def end(self) -> bool:
        """Whether all end by themselves, as they must when the broker is gone."""
        ended = True
        for party in tuple(self._processes):
            process = self._processes[party]
            ended &= self.ledger.listen(PATIENCE_S, lambda process=process: process.exitcode is not None)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            self.kill(party)
        return ended

    def flows(self) -> None:
        """Every worker receives, and the producer sees replies; a producer that gave up is started again."""
        ledger = self.ledger
        parties = [(RECEIVED, worker) for worker in range(self._workers)] + [(REPLIED, PRODUCER)]
        goal = {each: ledger.said[each] + 3 for each in parties}
        deadline = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < deadline:
            if ledger.listen(0.05, lambda: all(ledger.said[each] >= count for each, count in goal.items())):
                return
            if self._processes[PRODUCER].exitcode is not None:
                with suppress(KeyError):
                    self.kill(PRODUCER)
                self.start(PRODUCER)
        missing = [each for each, count in goal.items() if ledger.said[each] < count]
        raise AssertionError(f"stuck: (what, party) {missing} has not come for {PATIENCE_S:g} s")
