"""Short blocks of every entrant in seeded random order, round after round."""

from __future__ import annotations

from contextlib import ExitStack

from benchkit.engine import floors, placement
from benchkit.engine.crew import Crew, crew
from benchkit.engine.exchanges import Exchange
from benchkit.engine.runner import Progress, Watch
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.floors.bars import ENGINE
from benchkit.floors.judging import undecided
from benchkit.floors.measured import Key, Measured
from benchkit.floors.plan import ENGINE_S, Entrant, FloorsPlan
from benchkit.runtime.folders import run_folder

_ROLES = ["producer", "stage-0", "broker"]
_LEAST, _MOST = 3, 300
"""Exchanges in a block; more would not make its median better, and last long where a spinner has to wait."""
_FIRST = 5
"""Exchanges of the block that says how long one takes; it is not counted."""
_ENGINE_IN_FLIGHT = 8


class Measurement:
    """One run of a plan."""

    def __init__(self, plan: FloorsPlan, watch: Watch) -> None:
        self._plan = plan
        self._watch = watch
        self._open: dict[Key, tuple[Exchange, int]] = {}
        self.measured = Measured()
        """Filled as it goes, so that what was measured before an interrupt is there."""

    def run(self) -> None:
        """All rounds; an entrant that fails is left out from then on."""
        with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
            site = Site(name, folder, services)
            available = placement.cores()
            cores = placement.place(_ROLES, available)
            self.measured.placement = placement.describe(_ROLES, cores, available)
            members.place(cores)
            with ExitStack() as opened:
                self._measure(members, site, cores, opened)

    def _measure(
        self, members: Crew, site: Site, cores: dict[str, tuple[int, ...]], opened: ExitStack
    ) -> None:
        rounds = self._plan.rounds
        total = rounds + 1
        self._watch(Progress("opening every end", 0, total))
        for entrant, nbytes in self._plan.blocks:
            if entrant.name in self.measured.failed:
                continue
            exchange = Exchange(members, site, entrant.name, nbytes, entrant.host, loan=entrant.loan)
            opened.callback(exchange.close)
            self._first(entrant, exchange, cores)
        for round_ in range(rounds):
            self._watch(Progress("measuring", round_ + 1, total))
            for entrant, nbytes in self._plan.order(round_):
                self._block(entrant, nbytes, round_)
            if self._plan.engine:
                self._engine(members, site, round_)
        # One look, then a fixed number of rounds: looking again until a bar is met would be choosing.
        again = set() if self._plan.quick else undecided(self._plan, self.measured)
        for round_ in range(rounds, 3 * rounds if again else rounds):
            self._watch(Progress("measuring what is undecided", round_ + 1, 3 * rounds))
            for entrant, nbytes in self._plan.order(round_):
                if (entrant.name, nbytes) in again:
                    self._block(entrant, nbytes, round_)
            if any(name == ENGINE for name, _ in again):
                self._engine(members, site, round_)

    def _first(self, entrant: Entrant, exchange: Exchange, cores: dict[str, tuple[int, ...]]) -> None:
        """Open it, and see how many exchanges make a block."""
        try:
            exchange.open(cores)
            once_us = exchange.block(_FIRST).exchange_us
        except BenchkitError as error:
            self.measured.failed[entrant.name] = error
            return
        count = int(self._plan.block_s * 1e6 / max(once_us, 0.1))
        self._open[entrant.name, exchange.nbytes] = exchange, min(_MOST, max(_LEAST, count))

    def _block(self, entrant: Entrant, nbytes: int, round_: int) -> None:
        key = entrant.name, nbytes
        if key not in self._open or entrant.name in self.measured.failed:
            return
        exchange, count = self._open[key]
        try:
            self.measured.timings[key][round_] = exchange.block(count)
        except BenchkitError as error:
            self.measured.failed[entrant.name] = error

    def _engine(self, members: Crew, site: Site, round_: int) -> None:
        block, done = floors.null_block(members, site, in_flight=_ENGINE_IN_FLIGHT, duration_s=ENGINE_S)
        used = sum(block.usage[role].cpu_ns for role in ("producer", "stage") if role in block.usage)
        if len(done):
            self.measured.engine_us[round_] = used / len(done) / 1e3
