"""Exchanges as the runner sees them: both ends open in two parties, timed in short blocks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.engine import placement
from benchkit.engine.crew import Crew, Party
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.exchange.base import ACK, PATIENCE_S, Spot
from benchkit.exchange.catalogue import CATALOGUE
from benchkit.transports.base import Transport

_OPEN_S = 60.0
_REPLY_BYTES = 64
_NUMBERS = itertools.count()
_WARM = 2
"""Exchanges at the beginning of each block that are not counted, at least."""
_WARM_SHARE = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """One block: medians in microseconds."""

    exchange_us: float
    one_way_us: float | None
    """None where there is one process only."""
    count: int


class Exchange:
    """A floor or a recipe of the catalogue, or a transport (then `name` is its kind), for messages of one length.

    With `loan` the transport's memory is written in place.

    `host` is a transport that is prepared so that the ends have an address: the transport itself, or the one whose
    broker a floor or a recipe uses. Opened when it is first timed, closed by `close`.
    """

    def __init__(
        self,
        crew: Crew,
        site: Site,
        name: str,
        nbytes: int,
        host: Transport | None = None,
        *,
        loan: bool = False,
    ) -> None:
        self.name = name
        self.nbytes = nbytes
        self._crew, self._site, self._host, self._loan = crew, site, host, loan
        self._number = next(_NUMBERS)
        self._up = ExitStack()
        self._open = False
        self._far: Party | None = None
        contender = CATALOGUE.get(name)
        self._seam = contender is None
        self._two_ends = contender is None or bool(contender.far)
        self._carries = contender is None or contender.carries
        self.path = ""
        """What the host says that it really used."""

    def open(self, cores: Mapping[str, tuple[int, ...]] | None = None) -> None:
        """Prepare, then the consumer's end, then the producer's."""
        cores = cores or {}
        setup = self._site.setup(self.nbytes, _REPLY_BYTES, 1)
        where: Mapping[str, str | int] = {}
        if self._host is not None:
            address = self._up.enter_context(self._host.prepare(setup))
            self._site.opened(address)
            where, self.path = address.where, address.path
            if address.broker_pid is not None:
                placement.pin(address.broker_pid, cores.get("broker", ()))
        spot = Spot(setup.name, setup.folder, self.nbytes, dict(where), tuple(cores.get("stage-0", ())))
        self._up.callback(self._close_ends)
        self._open = True
        if self._two_ends:
            self._far = self._crew.get("stage-0")
            self._ask(self._far, "exchange-open", **self._end("far", spot))
        self._ask(self._crew.get("producer"), "exchange-open", **self._end("near", spot))

    def _end(self, side: str, spot: Spot) -> dict[str, Any]:
        transport = self._host.config() if self._seam and self._host is not None else None
        return {
            "side": side,
            "spot": spot.plain(),
            "contender": self.name,
            "transport": transport,
            "loan": self._loan,
        }

    def _ask(self, party: Party, do: str, **data: Any) -> dict[str, Any]:
        return self._crew.ask(party, do, _OPEN_S, number=self._number, **data)

    def block(self, count: int) -> Timing:
        """`count` exchanges after a few that do not count; raises what an end reports."""
        warm = max(_WARM, count // _WARM_SHARE)
        whole = {"number": self._number, "count": count + warm}
        crew = self._crew
        attending = None
        if self._far is not None:
            attending = crew.begin(self._far, "exchange-attend", **whole)
        driving = crew.begin(crew.get("producer"), "exchange-drive", **whole)
        driven = crew.answer(driving, _OPEN_S + PATIENCE_S)
        seen = crew.answer(attending, PATIENCE_S) if attending is not None else driven
        if seen["received"] and self._carries and seen["seen"] != driven["digest"]:
            raise BenchkitError("other bytes arrived than were sent", where=self.name)
        began, ended, received = (
            np.frombuffer(columns[name], np.int64)[warm:]
            for columns, name in ((driven, "began"), (driven, "ended"), (seen, "received"))
        )
        one_way = _p50_us(received - began) if len(received) == len(began) else None
        return Timing(_p50_us(ended - began), one_way, count)

    def _close_ends(self) -> None:
        for role in ("producer", "stage-0"):
            party = self._crew.get(role)
            self._ask(party, "exchange-close")

    def close(self) -> None:
        """Close both ends, and take down what was prepared."""
        self._up.close()


def _p50_us(column: npt.NDArray[np.int64]) -> float:
    return float(np.median(column)) / 1e3


assert len(ACK) <= _REPLY_BYTES  # noqa: S101  (a fact about two constants)
