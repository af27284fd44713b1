"""A transport whose clients copy, whose link is narrow, whose broker is held up, whose ends share a core."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchkit.selftest.parts.duty import held_up
from benchkit.selftest.parts.pace import burn, passing, rest, until
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Detour,
    Receiver,
    Reply,
    Sender,
    Setup,
    Transport,
    registry,
)

By = Literal["copy", "spin", "wait", "wakes"]


class PlantedTransport(Transport):
    """A real transport; what its ends do besides is planted."""

    kind: ClassVar[str] = "selftest-planted"
    brokerless: ClassVar[bool] = True

    inner: dict[str, Any]
    send_us: float = Field(0.0, ge=0)
    receive_us: float = Field(0.0, ge=0)
    send_by: By = "spin"
    receive_by: By = "spin"
    stopped_us: float = Field(0.0, ge=0, description="the broker is stopped again and again for so long")
    running_us: float = Field(1000.0, gt=0, description="and runs for so long in between")
    core: int | None = Field(None, description="ends run on this core")
    whose: Literal["both", "stage"] = Field("both", description="which ends do")

    @cached_property
    def transport(self) -> Transport:
        """The one within."""
        return registry.build(self.inner)

    def capabilities(self) -> Capabilities:
        """Those of the one within; nothing is lent."""
        return replace(self.transport.capabilities(), loans=False, in_place=False)

    def floor(self) -> str:
        """Of the one within; a broker that is held up would hold up its floor too."""
        return "" if self.stopped_us else self.transport.floor()

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """As the one within; its broker is held up from here on."""
        return self._prepared(setup)

    @contextmanager
    def _prepared(self, setup: Setup) -> Iterator[Address]:
        with ExitStack() as up:
            address = up.enter_context(self.transport.prepare(setup))
            if self.stopped_us and address.broker_pid is not None:
                up.enter_context(held_up(address.broker_pid, self.stopped_us, self.running_us))
            yield address

    def through(self, address: Address, detour: Detour) -> Address:
        """As the one within."""
        return self.transport.through(address, detour)

    def broker_counts(self, address: Address) -> Mapping[str, int] | None:
        """Of the one within."""
        return self.transport.broker_counts(address)

    def sender(self, address: Address) -> Sender:
        """Wrapped."""
        if self.whose == "both":
            self._pin()
        return _Sender(self, self.transport.sender(address))

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Wrapped."""
        self._pin()
        return _Receiver(self, self.transport.receiver(address, worker))

    def _pin(self) -> None:
        # Of the calling thread alone, which ends with its block.
        if self.core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, [self.core])


class PlantedBrokerTransport(PlantedTransport):
    """The same with a broker within."""

    kind: ClassVar[str] = "selftest-planted-broker"
    brokerless: ClassVar[bool] = False


def _spend(us: float, by: By, parts: Sequence[Buffer]) -> None:
    if by == "copy":
        until(us, lambda: b"".join(parts))
    elif by == "spin":
        burn(us)
    else:
        rest(us)


class _Relay:
    """A thread that sleeps until it is woken and then wakes who woke it: each turn is two wake-ups."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        threading.Thread(target=self._answer, name="relay", daemon=True).start()

    def _answer(self) -> None:
        with self._far, suppress(OSError):
            while self._far.recv(1):
                self._far.send(b"1")

    def turn(self) -> None:
        self._near.send(b"1")
        self._near.recv(1)

    def close(self) -> None:
        self._near.close()


class _Sender(Sender):
    def __init__(self, options: PlantedTransport, inner: Sender) -> None:
        self._us, self._by, self._inner = options.send_us, options.send_by, inner

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        if self._us:
            _spend(self._us, self._by, parts)
        return self._inner.send(parts, timeout)

    def reply(self, timeout: float) -> Reply | None:
        return self._inner.reply(timeout)

    def spun_s(self) -> float:
        return self._inner.spun_s()

    def path(self) -> Mapping[str, str]:
        return self._inner.path()

    def close(self) -> None:
        self._inner.close()


class _Receiver(Receiver):
    def __init__(self, options: PlantedTransport, inner: Receiver) -> None:
        self._us, self._by, self._inner = options.receive_us, options.receive_by, inner
        self._relay = _Relay() if self._by == "wakes" else None

    def receive(self, timeout: float) -> Delivery | None:
        delivery = self._inner.receive(timeout)
        if delivery is None or not self._us:
            return delivery
        if self._relay is not None:
            passing(self._us, self._relay.turn)
        else:
            _spend(self._us, self._by, [delivery.view])
        return delivery

    def spun_s(self) -> float:
        return self._inner.spun_s()

    def path(self) -> Mapping[str, str]:
        return self._inner.path()

    def close(self) -> None:
        if self._relay is not None:
            self._relay.close()
        self._inner.close()
