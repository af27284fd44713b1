"""What a party does on command for the floors: hold the ends of exchanges, and run blocks of them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchkit.engine.pacing import sharpen_timers
from benchkit.engine.work import Work
from benchkit.errors import PartyError
from benchkit.exchange.base import Far, Near, Served, Spot, drive
from benchkit.exchange.catalogue import open_far, open_near
from benchkit.exchange.seam import SeamFar, SeamNear
from benchkit.transports import base as transports


@dataclass(slots=True)
class _Ends:
    """What this process holds, by the number that the runner gave."""

    near: dict[int, tuple[Near, int]]
    far: dict[int, Far]


_ENDS = _Ends({}, {})


@lru_cache(2)
def _payload(nbytes: int) -> bytes:
    """The same in every process; no byte is where it would be by chance."""
    return np.random.default_rng(nbytes).bytes(nbytes)


def do_open(work: Work) -> dict[str, Any]:
    """Open one end and keep it."""
    command = work.command
    spot = Spot.of(command["spot"])
    number, name = command["number"], command["contender"]
    transport = transports.registry.build(command["transport"]) if command["transport"] else None
    if command["side"] == "near":
        near = SeamNear(spot, transport) if transport else open_near(name, spot)
        _ENDS.near[number] = near, spot.nbytes
    else:
        _ENDS.far[number] = SeamFar(spot, transport) if transport else open_far(name, spot)
    return {}


def do_drive(work: Work) -> dict[str, Any]:
    """A block's producing side."""
    near, nbytes = _ENDS.near[work.command["number"]]
    payload = _payload(nbytes)
    sharpen_timers()
    driven = drive(near, payload, work.command["count"])
    return {
        "began": driven.began.tobytes(),
        "ended": driven.ended.tobytes(),
        "digest": driven.digest,
        **_told(near.served()),
    }


def do_attend(work: Work) -> dict[str, Any]:
    """A block's consuming side."""
    far = _ENDS.far.get(work.command["number"])
    if far is None:
        raise PartyError("this end is not open", where="exchange")
    sharpen_timers()
    return _told(far.serve(work.command["count"]))


def _told(served: Served | None) -> dict[str, Any]:
    served = served or Served(array("q"), 0)
    return {"received": served.received.tobytes(), "seen": served.digest}


def do_close(work: Work) -> dict[str, Any]:
    """Close what is open under this number."""
    number = work.command["number"]
    ends = [_ENDS.near.pop(number, (None, 0))[0], _ENDS.far.pop(number, None)]
    for end in ends:
        if end is not None:
            end.close()
    return {}


HANDLERS = {
    "exchange-open": do_open,
    "exchange-drive": do_drive,
    "exchange-attend": do_attend,
    "exchange-close": do_close,
}
