"""The conformance suite catches transports that declare several producers and mix them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from benchkit.testing import BrokenPromise, check_transport
from benchkit.testing.transport import FACTS
from benchkit.transports._unix.fan_in import FanInReceiver
from benchkit.transports._unix.link import Frame, Link
from benchkit.transports._unix.worker import UnixReceiver
from benchkit.transports.base import Address, Capabilities, Receiver, Setup
from benchkit.transports.inproc import Inproc
from benchkit.transports.redis_list import RedisList
from benchkit.transports.unix import Unix

PATIENCE_S = 1.0


class OneBoxForAllReplies(Inproc):
    """Whoever looks first gets the reply."""

    kind: ClassVar[str] = "one-box"

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), many_producers=True)


class HearsTheFirstOnly(Unix):
    """Its worker goes on with the connection that came first."""

    kind: ClassVar[str] = "first-only"

    def receiver(self, address: Address, worker: int) -> Receiver:
        return UnixReceiver(address, worker)


class HangsUpOnAll(Unix):
    """A producer that leaves takes the others' connections with it."""

    kind: ClassVar[str] = "hangs-up"

    class Receiver(FanInReceiver):
        def _frame(self, link: Link) -> Frame | None:
            before = len(self._links)
            frame = super()._frame(link)
            if len(self._links) < before:
                for other in self._links:
                    other.close()
                self._links.clear()
            return frame

    def receiver(self, address: Address, worker: int) -> Receiver:
        return self.Receiver(address, worker)


class ForgetsWhose(RedisList):
    """A worker that takes over from another answers everything to the first producer."""

    kind: ClassVar[str] = "forgets-whose"
    openings: ClassVar[list[str]] = []

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        self.openings.clear()
        with super().prepare(setup) as address:
            yield address

    def receiver(self, address: Address, worker: int) -> Any:
        receiver: Any = super().receiver(address, worker)
        self.openings.append("again")
        if len(self.openings) > int(address.where["workers"]):
            receiver.producer = lambda _: 0
        return receiver


@pytest.mark.parametrize(
    ("broken", "fact"),
    [
        (OneBoxForAllReplies, "fan-in"),
        (HearsTheFirstOnly, "fan-in"),
        (HangsUpOnAll, "producer-gone"),
        (ForgetsWhose, "come-again"),
    ],
)
def test_a_transport_that_mixes_its_producers_up_is_caught(
    monkeypatch: pytest.MonkeyPatch, broken: Any, fact: str
) -> None:
    # The other facts hold, which takes the longest to see.
    own = tuple(each for each in FACTS if each.name in ("fan-in", "producer-gone", "come-again"))
    monkeypatch.setattr("benchkit.testing.transport.FACTS", own)
    with pytest.raises(BrokenPromise) as caught:
        check_transport(broken(), quick=True, patience_s=PATIENCE_S)
    assert caught.value.fact == fact, str(caught.value)
