"""What a party does on command for the floors: hold the ends of exchanges, and run blocks of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np

from benchkit.engine.pacing import sharpen_timers
from benchkit.engine.work import Work
from benchkit.errors import PartyError
from benchkit.exchange.base import Driven, Far, Near, Served, Spot, drive
from benchkit.exchange.catalogue import open_far, open_near
from benchkit.exchange.seam import LoanNear, SeamFar, SeamNear
from benchkit.transports import base as transports

T = TypeVar("T")


class _Held:
    """One end and the one thread that uses it from opening to closing: so the seam of transports wants it."""

    def __init__(self, make: Callable[[], Near | Far], nbytes: int) -> None:
        self._thread = ThreadPoolExecutor(1, "exchange", sharpen_timers)
        self.nbytes = nbytes
        try:
            self.end = self.do(make)
        except BaseException:
            self._thread.shutdown()
            raise

    def do(self, what: Callable[[], T]) -> T:
        """In that thread."""
        return self._thread.submit(what).result()

    def close(self) -> None:
        """The end and its thread."""
        try:
            self.do(self.end.close)
        finally:
            self._thread.shutdown()


_HELD: dict[int, list[_Held]] = {}
"""By the number that the runner gave the exchange."""


@lru_cache(2)
def _payload(nbytes: int) -> bytes:
    """The same in every process; no byte is where it would be by chance."""
    return np.random.default_rng(nbytes).bytes(nbytes)


def do_open(work: Work) -> dict[str, Any]:
    """Open one end and keep it."""
    command = work.command
    spot = Spot.of(command["spot"])
    name, near = command["contender"], command["side"] == "near"
    make: Callable[[], Near | Far]
    if command["transport"]:
        transport = transports.registry.build(command["transport"])
        sending = LoanNear if command["loan"] else SeamNear
        make = partial(sending if near else SeamFar, spot, transport)
    else:
        make = partial(open_near if near else open_far, name, spot)
    held = _Held(make, spot.nbytes)
    _HELD.setdefault(command["number"], []).append(held)
    return {}


def _held(work: Work, kind: type[Near | Far]) -> _Held:
    for held in _HELD.get(work.command["number"], ()):
        if isinstance(held.end, kind):
            return held
    raise PartyError("this end is not open: its process was started anew", where="exchange")


def do_drive(work: Work) -> dict[str, Any]:
    """A block's producing side."""
    held = _held(work, Near)
    near, payload, count = held.end, _payload(held.nbytes), work.command["count"]

    def once() -> tuple[Driven, Served | None]:
        assert isinstance(near, Near)  # noqa: S101  (it was looked for by its class)
        return drive(near, payload, count), near.served()

    driven, served = held.do(once)
    return {
        "began": driven.began.tobytes(),
        "ended": driven.ended.tobytes(),
        "digest": driven.digest,
        **_told(served),
    }


def do_attend(work: Work) -> dict[str, Any]:
    """A block's consuming side."""
    held = _held(work, Far)
    far, count = held.end, work.command["count"]
    assert isinstance(far, Far)  # noqa: S101  (it was looked for by its class)
    return _told(held.do(lambda: far.serve(count)))


def _told(served: Served | None) -> dict[str, Any]:
    served = served or Served(array("q"), 0)
    return {"received": served.received.tobytes(), "seen": served.digest}


def do_close(work: Work) -> dict[str, Any]:
    """Close what is open under this number."""
    for held in _HELD.pop(work.command["number"], ()):
        held.close()
    return {}


HANDLERS: dict[str, Callable[[Work], dict[str, Any]]] = {
    "exchange-open": do_open,
    "exchange-drive": do_drive,
    "exchange-attend": do_attend,
    "exchange-close": do_close,
}
