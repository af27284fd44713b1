"""The whole run: make everything ready, measure the plan's blocks in their order, keep what was measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from benchkit.alerts.alerting import Alerting
from benchkit.analysis.hops import messages_of
from benchkit.analysis.whatif.figures import unloaded_ns
from benchkit.engine import chain, fan_in, floors, heading, placement
from benchkit.engine.alerted.live import Live, Watched
from benchkit.engine.block import run_block
from benchkit.engine.canary import Canary, Look
from benchkit.engine.crew import Crew, crew
from benchkit.engine.describing import describe
from benchkit.engine.garbage import Collecting
from benchkit.engine.holdings import Holdings
from benchkit.engine.profiling import profiled
from benchkit.engine.ready import ReadyCell, make_ready
from benchkit.engine.search import Searches, Turn
from benchkit.engine.site import Site
from benchkit.engine.underway import Place, Watching
from benchkit.engine.whatif import Tools, Trials
from benchkit.errors import BenchkitError, PartyError, UsageError
from benchkit.hiding import hide
from benchkit.records.environment import environment
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.records.recording import Recording
from benchkit.records.run import Block, Cell, Failure, Run
from benchkit.records.samples import Samples
from benchkit.records.seen import Holding
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.transports.base import Address


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for whoever watches."""

    doing: str
    done: int
    total: int
    cell: str = ""


Watch = Callable[[Progress], None]

_BROKER_DIED = "the broker died and was replaced by a new one"
_BROKER_REMEDY = "see what ended it: the system's log, a limit on memory, another user"


class Runner:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        watch: Watch,
        *,
        profile: bool = False,
        recording: Recording | None = None,
        before: Run | None = None,
        floors: bool = True,
        meanwhile: Callable[[], None] = lambda: None,
        alerts: Alerting | None = None,
    ) -> None:
        """`recording` takes finished blocks (default: in memory); `before` is the header of a run to resume.

        Without `floors` the machine's are not measured. `meanwhile` is called while the parties' processes start:
        what is imported there costs no time of its own. `alerts` are fed while blocks are measured.
        """
        self._live = None if alerts is None else Live(alerts, plan.slo)
        self._alerts_before = (before.alerts or []) if before else []
        self._floors = floors
        self._meanwhile = meanwhile
        self._plan = plan
        self._watch = watch
        self._profile = profile
        self._recording = recording or Recording()
        self._header = heading.taken_up(before, self._recording) if before else heading.fresh(plan)
        known = {cell.id: cell for cell in self._header.cells}
        self._records: dict[int, Cell] = {
            index: known[cell.id] for index, cell in enumerate(plan.cells) if cell.id in known
        }
        self._ready: dict[int, ReadyCell] = {}
        self._failures = self._header.failures
        self._canary = Canary()
        self._holdings = Holdings()
        self._collecting = Collecting()
        self._cores: dict[str, tuple[int, ...]] = {}
        self._unloaded_s: dict[int, float] = {}
        """How long a message of each cell took when it was alone, of its last block."""
        self._measured_before_s = self._header.measured_s
        self._spent_before_s = self._header.duration_s
        self._began_s = 0.0

    def run(self) -> Run:
        """Measure; whatever was measured before an interrupt or a failure is in the answer.

        Raises UsageError when the plan cannot be run as it is written, BenchkitError when nothing was measured.
        """
        self._began_s = time.monotonic()
        try:
            with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
                self._measure(members, Site(name, folder, services))
        except KeyboardInterrupt:
            self._header.interrupted = True
        except Exception as error:
            # Whatever it is, it does not undo what was measured before.
            if not self._recording.rows:
                if isinstance(error, OSError):
                    raise heading.refused(error) from error
                raise
            self._failures.append(heading.failure("runner", error))
        if self._live is not None:
            self._live.close()
        self._header.environment = environment()
        return self._recording.whole(self.header())

    def alerts(self) -> list[dict[str, Any]] | None:
        """What was told so far, of a run that was taken up again before as well; None where no rules are set."""
        return None if self._live is None else [*self._alerts_before, *self._live.alerting.log()]

    def header(self) -> Run:
        """The run so far, without blocks and samples."""
        now = time.monotonic()
        header = self._header
        header.duration_s = self._spent_before_s + now - self._began_s
        header.written_utc = heading.utc()
        header.cells = [self._records[index] for index in sorted(self._records)]
        header.alerts = self.alerts()
        return header

    def _measure(self, members: Crew, site: Site) -> None:
        total = self._plan.total or int(self._plan.blocks.soak_s or 0)
        self._watch(Progress("starting the parties", 0, total))
        self._place(members)
        producers = max(cell.producers for cell in self._plan.cells)
        first = chain.stage_roles(self._plan.cells[0])[:1]
        for role in (*fan_in.roles(producers), *first, "oracle"):
            members.get(role)
        self._meanwhile()
        for index in range(len(self._plan.cells)):
            self._watch(Progress("making messages", 0, total, self._plan.cells[index].id))
            self._make_ready(members, site, index)
        if self._header.floor is None and self._floors:
            self._watch(Progress("measuring the machine's floors", 0, total))
            self._header.floor = floors.measure(members, site, list(self._ready.values()))
            self._records.update({index: ready.record for index, ready in self._ready.items()})
        members.dismiss("oracle")
        measured = self._rounds(members, site)
        measured = self._search(members, site, measured)
        measured = self._what_if(members, site, measured)
        self._faults(site)
        if self._profile:
            for index, ready in self._ready.items():
                self._watch(Progress("profiling", index, len(self._plan.cells), ready.cell.id))
                seen = profiled(members, site, self._plan, ready, measured + index, self._attach)
                ready.record = self._records[index] = replace(self._records[index], profile=seen)
        self._watch(Progress("done", total, total))

    def _rounds(self, members: Crew, site: Site) -> int:
        """Measure block after block, those that are recorded already left out; how many there are now."""
        first = self._recording.next_block
        cells, began_s, position = max(1, self._plan.interleaved), time.monotonic(), -1
        for position, index in enumerate(self._plan.order):
            if position < first:
                continue
            self._header.measured_s = self._measured_before_s + time.monotonic() - began_s
            if position % cells == 0 and self._over():
                return position
            if index in self._ready:
                self._watch(self._progress(position, index))
                self._one_block(members, site, index, position, position // cells)
            elif not self._ready:
                break
        self._header.measured_s = self._measured_before_s + time.monotonic() - began_s
        return max(first, position + 1)

    def _over(self) -> bool:
        """A soak has lasted as long as it should."""
        soak_s = self._plan.blocks.soak_s
        return soak_s is not None and self._header.measured_s >= soak_s

    def _progress(self, position: int, index: int) -> Progress:
        cell, soak_s, total = self._plan.cells[index].id, self._plan.blocks.soak_s, self._plan.total
        if soak_s is None:
            return Progress("measuring", position, total or 0, cell)
        return Progress("soaking, seconds", min(int(self._header.measured_s), int(soak_s)), int(soak_s), cell)

    def _search(self, members: Crew, site: Site, position: int) -> int:
        """Blocks of the cells that look for their capacity, until each has found it or its time is up.

        They stand from `position` on; where the next one would stand is returned. After a resume a search
        begins anew; what it measured before is evidence all the same when the run is analysed.
        """
        searches = Searches(self._plan)
        for index, ready in self._ready.items():
            searches.add(index, ready.cell, ready.record.search)
        while (next_ := searches.next()) is not None:
            index, turn = next_
            self._watch(
                Progress(
                    "searching", round(searches.spent_s), round(searches.budget_s), self._records[index].id
                )
            )
            began = time.monotonic()
            done = self._one_block(members, site, index, position, turn.round, turn)
            position += 1
            block, samples = done or (None, None)
            searches.record(index, block, samples, time.monotonic() - began)
            self._records[index] = replace(self._records[index], search=searches.sought(index))
            if index in self._ready:
                self._ready[index].record = self._records[index]
        for index in searches.indices:
            # How a search ended is known when it is asked for another block.
            self._records[index] = replace(self._records[index], search=searches.sought(index))
        return position

    def _what_if(self, members: Crew, site: Site, position: int) -> int:
        """Blocks that answer what a change would buy; where the next one would stand is returned."""
        if self._plan.what_if is None or not self._ready:
            return position
        tools = Tools(members, site, self._canary, self._cores.get("broker", ()), self._tell, self._note)
        trials = Trials(self._plan, self._plan.what_if, self._ready, tools, self._unloaded_s)
        return trials.run(self._header, position)

    def _faults(self, site: Site) -> None:
        """Trials in which something goes wrong; they have parties of their own."""
        if self._plan.faulting is None:
            return
        from benchkit.engine.faulted import lane  # a run without faults starts without it

        def tell(doing: str, done: int, total: int, cell: str) -> None:
            self._watch(Progress(doing, done, total, cell))

        def keep(trial: Trial, operations: Operations) -> None:
            self._recording.keep_trial(self.header(), trial, operations)

        before = self._recording.trials
        alerts = None if self._live is None else self._live.alerting
        left, errors = lane.run(self._plan, site, before.all if before else (), keep, tell, alerts)
        self._header.not_faulted = tuple(left)
        self._failures += [heading.failure("faults", error) for error in errors]

    def _tell(self, doing: str, done: int, total: int) -> None:
        self._watch(Progress(doing, done, total))

    def _note(self) -> None:
        self._recording.note(self.header())

    def _place(self, members: Crew) -> None:
        workers = dict.fromkeys(role for cell in self._plan.cells for role in chain.stage_roles(cell))
        ways = [way for cell in self._plan.cells for way in cell.transports]
        brokers = any(not way.brokerless for way in ways)
        producers = fan_in.roles(max(cell.producers for cell in self._plan.cells))
        links = any(cell.link is not None for cell in self._plan.cells)
        roles = [*producers, *workers, *(["broker"] if brokers else [])]
        roles += ["link"] if links else []
        available = placement.cores()
        self._cores = placement.place(roles, available)
        self._header.placement = placement.describe(roles, self._cores, available)
        members.place(self._cores)

    def _make_ready(self, members: Crew, site: Site, index: int) -> None:
        """Messages, expected replies and sizes of a cell; one that cannot be made ready is skipped."""
        cell = self._plan.cells[index]
        known = self._records.setdefault(index, describe(cell))
        try:
            ready = make_ready(members, self._plan, cell)
        except UsageError as error:
            error.where = f"{cell.id}: {error.where}" if error.where else cell.id
            raise
        except BenchkitError as error:
            self._skip(index, error)
            return
        if cell.id in self._recording.rows:
            ready.count_on(self._recording.next_seq[cell.id])
        self._ready[index] = ready
        ready.record = self._records[index] = replace(ready.record, path=known.path, floor=known.floor)
        site.services.callback(self._take_down, ready)

    def _one_block(
        self, members: Crew, site: Site, index: int, position: int, round_: int, turn: Turn | None = None
    ) -> tuple[Block, Samples] | None:
        """Measure and keep one block, of a search where there is a `turn`; None when it could not begin."""
        ready = self._ready[index]
        deaths = site.deaths
        try:
            ready.brief(members, self._plan)
            address = ready.open(site, members)
            if site.deaths > deaths:
                self._failures.append(Failure("broker", "BrokerError", _BROKER_DIED, _BROKER_REMEDY))
            self._records[index] = ready.record
            if address.broker_pid is not None:
                placement.pin(address.broker_pid, self._cores.get("broker", ()))
            if ready.linking is not None:
                placement.pin(ready.linking.pid, self._cores.get("link", ()))
            offered_per_s = turn.level_per_s if turn else ready.offered_per_s(self._plan, round_)
            place = Place(
                position,
                round_,
                ready.record.payload_bytes,
                offered_per_s,
                address.broker_pid,
                server_times=ready.server_times,
                broker_counts=ready.broker_counts,
                watching=self._watching(ready.cell, address, turn),
            )
            task = ready.task(self._plan, round_)
            if turn:
                task, place = turn.task(task, self._plan.seed), replace(place, level_per_s=turn.level_per_s)
            before = self._canary.look()
            block, samples = run_block(members, task, place, ready.hosts)
            block = self._surroundings(block, before, address)
            block = replace(block, hop_claims=ready.hop_claims, held=self._held(members, ready, address))
            if ready.linking is not None:
                block = replace(block, links=ready.linking.seen())
        except BenchkitError as error:
            # A mistake of the scenario ends the run, unless blocks were measured already.
            if isinstance(error, UsageError) and not self._recording.rows:
                raise
            self._give_up(index, error)
            return None
        except OSError as error:
            self._give_up(index, heading.refused(error))
            return None
        # Every block gets a fresh transport: what is left inside one must not reach the next, and only one
        # cell at a time takes shared memory.
        self._take_down(ready)
        self._recording.keep(self.header(), block, samples)
        samples = messages_of(ready.record, samples)
        self._tell_rules(block, samples, turn)
        if self._plan.what_if is not None:
            self._unloaded_s[index] = unloaded_ns(samples) / 1e9
        ready.count_on(self._recording.next_seq[block.cell])
        self._collecting.between()
        return block, samples

    def _watching(self, cell: PlannedCell, address: Address, turn: Turn | None) -> Watching:
        """What looks on while a block of this cell is measured."""
        if self._live is None:
            return lambda _, __: nullcontext()
        afters = tuple(hop.after for hop in cell.hops) or (-1,)
        return self._live.watching(Watched(cell.id, address.broker_pid, turn is None, afters, cell.replies))

    def _tell_rules(self, block: Block, messages: Samples, turn: Turn | None) -> None:
        """A search tries on purpose what cannot be borne: of its blocks nobody is told."""
        if self._live is not None and turn is None:
            self._live.measured(block, messages)

    def _surroundings(self, block: Block, before: Look, address: Address) -> Block:
        """With what was seen from outside: the machine's part, the broker's core, the transport's claim."""
        disturbance = self._canary.since(before)
        core = placement.ran_on(address.broker_pid) if address.broker_pid is not None else None
        ran_on = block.ran_on if core is None else {**block.ran_on, "broker": core}
        return replace(block, disturbance=disturbance, ran_on=ran_on, claimed=dict(address.claim))

    def _held(self, members: Crew, ready: ReadyCell, address: Address) -> dict[str, Holding]:
        broker = {} if address.broker_pid is None else {"broker": address.broker_pid}
        link = {} if ready.linking is None else {"link": ready.linking.pid}
        return self._holdings.look({"runner": os.getpid(), **members.pids(), **broker, **link})

    def _take_down(self, ready: ReadyCell) -> None:
        try:
            ready.close()
        except BenchkitError as error:
            self._failures.append(heading.failure(ready.cell.id, error))

    def _attach(self, name: str, content: bytes) -> bool:
        return self._recording.attach(self.header(), name, content)

    def _give_up(self, index: int, error: BenchkitError) -> None:
        """A block that could not even start: a cell without any block is skipped, another one goes on."""
        ready = self._ready[index]
        self._take_down(ready)
        if self._live is not None and isinstance(error, PartyError):
            self._live.died(ready.cell.id, error.where)
        if ready.kept:
            self._failures.append(heading.failure(ready.cell.id, error))
        else:
            del self._ready[index]
            self._skip(index, error)

    def _skip(self, index: int, error: BenchkitError) -> None:
        record = self._records[index]
        # What was measured of it before the runner died stays.
        if record.id not in self._recording.rows:
            self._records[index] = replace(
                record, skipped=heading.told(error), skipped_remedy=hide(error.remedy)
            )
        self._failures.append(heading.failure(record.id, error))
