"""One trial: a cell under load, one fault (or none), and what became of every message.

::

    prepare, open   warm-up   control band   moment, inject .. lasting .. heal   after   drain   collect
                    from_ns   before_from_ns         injected_ns      healed_ns          ended_ns

Whatever happens in between, nobody is left running or stopped, and the transport is taken down.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchkit.alerts.alerting import Alerting
from benchkit.engine.alerted.trials import watching
from benchkit.engine.faulted import board, moments
from benchkit.engine.faulted.board import Board
from benchkit.engine.faulted.collecting import Written, in_flight, operations, torn_beyond_number
from benchkit.engine.faulted.drain import drain
from benchkit.engine.faulted.journal import What
from benchkit.engine.faulted.nursery import Nursery
from benchkit.engine.faulted.roles import Role
from benchkit.engine.faulted.scene import LiveScene
from benchkit.engine.faulted.supervisor import Supervisor
from benchkit.engine.faulted.terms import Loaded, Terms
from benchkit.engine.linking import Linking, linked
from benchkit.engine.site import Site
from benchkit.engine.specs import array_specs
from benchkit.errors import BenchkitError
from benchkit.faults.base import Fault
from benchkit.link.options import LinkOptions
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Address, Setup, Transport

_EVENTS_SENT = 8
_EVENTS_SERVED = 24
_LEAST_ROOM = 8192
_MOST_ROOM = 2_000_000
_LEAVE_S = 1.0


@dataclass
class _Happened:
    """Moments of a trial, as they come."""

    from_ns: int = 0
    before_from_ns: int = 0
    injected_ns: int = 0
    healed_ns: int = 0
    ended_ns: int = 0
    drained: bool = False
    reached: bool = False
    when: moments.Timing = field(default_factory=lambda: moments.Timing(0.0, False))
    proof: str = ""
    errors: list[str] = field(default_factory=list)


def run_trial(
    nursery: Nursery, site: Site, loaded: Loaded, fault: Fault | None, terms: Terms, *, number: int, seed: int,
    alerts: Alerting | None = None,
) -> tuple[Trial, Operations]:  # fmt: skip
    """The trial and its operations; raises BenchkitError where the cell could not even begin.

    `alerts` are fed while the cell is under load.
    """
    began_s = time.monotonic()
    transport = loaded.cell.transport if fault is None else fault.arranged(loaded.cell.transport)
    happened = _Happened()
    with ExitStack() as undo:
        scene = undo.enter_context(_opened(nursery, site, loaded, transport, fault, terms, seed))
        try:
            if fault is not None:
                fault.arrange(scene)
            with watching(alerts, loaded.cell.id, scene.supervisor) as told:
                _load(scene, fault, terms, happened, seed)
        finally:
            scene.cont_all()
            scene.supervisor.leave(_LEAVE_S)
        journals = {
            party: [Written(turn, life.events()) for label in scene.supervisor.labels(party)
                    for turn, life in enumerate(scene.supervisor.lives[label])]
            for party in ("producer", "stage")
        }  # fmt: skip
        rows = operations([*journals["producer"], *journals["stage"]])
        trial = replace(_trial(scene, loaded, fault, terms, happened, rows, number, seed), alerts=told())
        trial = replace(trial, torn=torn_beyond_number([*journals["producer"], *journals["stage"]]))
    return replace(trial, wall_s=time.monotonic() - began_s), rows


# Making it ready ---------------------------------------------------------------------------------------


@contextmanager
def _opened(
    nursery: Nursery,
    site: Site,
    loaded: Loaded,
    transport: Transport,
    fault: Fault | None,
    terms: Terms,
    seed: int,
) -> Iterator[LiveScene]:
    """The transport prepared and all parties ready; raises BenchkitError."""
    site.look()
    setup = _setup(site, loaded)
    below = setup.folder / "faults"
    with ExitStack() as undo:
        address = undo.enter_context(transport.prepare(setup))
        site.opened(address)
        below.mkdir(mode=0o700)
        link = _link(undo, setup, transport, address, loaded, fault, seed)
        where = {side: _where(address, link, side) for side in ("producer", "stage")}
        slate = Board(below / "board", create=True)
        undo.callback(slate.close)
        roles = _roles(loaded, transport, below, where, terms, seed)
        supervisor = Supervisor(nursery, below, roles, slate, address.broker_pid)
        undo.callback(lambda: site.replaced(address.broker_pid, supervisor.broker_pid))
        # Closed before the transport, and after the parties are gone.
        undo.callback(supervisor.close)
        after = undo.enter_context(ExitStack())
        undo.callback(supervisor.leave, _LEAVE_S)
        supervisor.start_all(terms.open_s)
        yield LiveScene(transport, address, setup, below, seed, supervisor, after, link.links if link else {})


def _setup(site: Site, loaded: Loaded) -> Setup:
    cell, sizes = loaded.cell, loaded.sizes
    as_they_are = cell.codec.kind == Raw.kind
    arrays = tuple(array_specs(plain) if as_they_are else () for plain in sizes["arrays"])
    return site.setup(
        sizes["message_bytes"],
        sizes["reply_bytes"],
        cell.workers,
        cell.producers,
        arrays=(arrays[0], arrays[1]),
    )


def _link(
    undo: ExitStack,
    setup: Setup,
    transport: Transport,
    address: Address,
    loaded: Loaded,
    fault: Fault | None,
    seed: int,
) -> Linking | None:
    """The proxy, where the cell has a link or the fault wants one."""
    if loaded.cell.link is None and not (fault is not None and fault.led):
        return None
    asked = loaded.cell.link or LinkOptions(side=fault.link_side if fault is not None else "producer")
    return undo.enter_context(linked(setup, transport, address, asked, str(seed)))


def _where(address: Address, link: Linking | None, side: str) -> Mapping[str, Any]:
    led = link.led.get(side) if link else None
    return dict(led["where"]) if led else dict(address.where)


def _roles(
    loaded: Loaded,
    transport: Transport,
    below: Path,
    where: Mapping[str, Mapping[str, Any]],
    terms: Terms,
    seed: int,
) -> list[Role]:
    cell = loaded.cell
    duration_s = terms.warmup_s + terms.before_s + terms.spread_s + terms.after_s + terms.slack_s
    messages = int(loaded.rate_per_s * duration_s)
    room = {
        "producer": min(_MOST_ROOM, _LEAST_ROOM + _EVENTS_SENT * messages),
        "stage": min(_MOST_ROOM, _LEAST_ROOM + _EVENTS_SERVED * messages),
    }

    def role(party: str, number: int) -> Role:
        own = dict(where[party])
        if party == "producer" and cell.producers > 1:
            own["producer"] = number
        return Role(
            party=party, number=number, journal="", room=room[party], board=str(below / "board"),
            source=cell.source.config(), codec=cell.codec.config(), transport=transport.config(),
            stage=cell.stage.config(), load=loaded.load, where=own,
            seed=seed_for(loaded.seed, Stream.PAYLOAD), schedule_seed=seed_for(seed, Stream.SCHEDULE),
            stage_seed=seed_for(seed, Stream.STAGE), duration_s=duration_s, replies=cell.replies,
            batch_size=cell.batch_size, batch_delay_s=cell.batch_delay_s, producers=cell.producers, first=number,
        )  # fmt: skip

    return [
        *(role("stage", worker) for worker in range(cell.workers)),
        *(role("producer", number) for number in range(cell.producers)),
    ]


# Under load --------------------------------------------------------------------------------------------


def _load(scene: LiveScene, fault: Fault | None, terms: Terms, happened: _Happened, seed: int) -> None:
    words = scene.supervisor.board.words
    happened.from_ns = scene.now_ns()
    words[board.START_NS] = happened.from_ns
    words[board.STATE] = board.GOING
    scene.wait(terms.warmup_s)
    happened.before_from_ns = scene.now_ns()
    scene.wait(terms.before_s)
    if fault is not None:
        draw = random.Random(seed).random()  # noqa: S311  (a draw that must be repeatable)
        happened.when = moments.timing(fault, draw, terms.spread_s)
        scene.wait(happened.when.after_s)
        _fault(scene, fault, happened)
    else:
        scene.wait(terms.spread_s)
    scene.wait(terms.after_s)
    promised = scene.transport.capabilities()
    awaited = promised.delivery != "at-most-once" and not _data_gone(scene, promised.durability)
    happened.drained = drain(scene, awaited=awaited, patience_s=terms.patience_s)
    happened.ended_ns = scene.now_ns()
    if fault is not None:
        happened.proof = fault.proof(scene)


def _fault(scene: LiveScene, fault: Fault, happened: _Happened) -> None:
    happened.reached = moments.reach(scene, fault)
    happened.injected_ns = scene.now_ns()
    try:
        try:
            fault.inject(scene)
        finally:
            scene.release()
        scene.wait(fault.lasting)
    except BenchkitError as error:
        happened.errors.append(f"the fault could not be done: {error.what}")
    try:
        fault.heal(scene)
    except BenchkitError as error:
        happened.errors.append(f"the fault could not be undone: {error.what}")
    happened.healed_ns = scene.now_ns()


def _data_gone(scene: LiveScene, durability: str) -> bool:
    """The broker died with what it held: nothing of that will come any more."""
    return durability != "disk" and any(died.party == "broker" for died in scene.log)


# What is told ------------------------------------------------------------------------------------------


def _trial(
    scene: LiveScene, loaded: Loaded, fault: Fault | None, terms: Terms, happened: _Happened, rows: Operations,
    number: int, seed: int,
) -> Trial:  # fmt: skip
    supervisor = scene.supervisor
    promised = scene.transport.capabilities()
    moment: Mapping[str, Any] = {}
    if fault is not None:
        moment = moments.found(fault, rows, happened.injected_ns, happened.when, happened.reached)
    overfull = [life.role.label for life in supervisor.all_lives() if life.reader and life.reader.refused]
    errors = [*happened.errors, *supervisor.errors, *(f"{label}: its journal is full" for label in overfull)]
    return Trial(
        number=number, cell=loaded.cell.id, transport=loaded.cell.transport.kind,
        fault={} if fault is None else fault.config(), moment=moment, seed=seed,
        from_ns=happened.from_ns, before_from_ns=happened.before_from_ns, injected_ns=happened.injected_ns,
        healed_ns=happened.healed_ns, ended_ns=happened.ended_ns, window_s=loaded.window_s(terms),
        offered_per_s=loaded.rate_per_s, proof=happened.proof, detections=tuple(_detections(scene, happened)),
        deaths=tuple({"party": died.party, "at_ns": died.at_ns, "how": died.how} for died in supervisor.log),
        restarts=tuple(supervisor.restarts), drained=happened.drained and not overfull,
        capabilities={
            "delivery": promised.delivery, "durability": promised.durability,
            "level": scene.address.level or promised.level, "ordering": promised.ordering,
        },
        in_flight_at_injection=sum(in_flight(rows, happened.injected_ns)) if fault is not None else 0,
        errors=tuple(errors), notes=tuple(scene.notes),
    )  # fmt: skip


def _detections(scene: LiveScene, happened: _Happened) -> list[Mapping[str, Any]]:
    """Who noticed, when: the supervisor, and each party the first time that it found the other side gone."""
    found: list[Mapping[str, Any]] = [
        each for each in scene.supervisor.detections if each["at_ns"] >= happened.injected_ns > 0
    ]
    for label, lives in scene.supervisor.lives.items():
        for life in lives:
            events = life.events()
            broken = events["at_ns"][
                (events["what"] == What.BROKEN) & (events["at_ns"] >= happened.injected_ns)
            ]
            if happened.injected_ns and len(broken):
                found.append({"by": label, "how": "error", "at_ns": int(broken[0])})
    return sorted(found, key=lambda each: each["at_ns"])
