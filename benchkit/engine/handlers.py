"""What a party does on command: make messages ready, foresee replies, produce, serve.

What is costly to open (a source's messages, a stage's model) is kept from block to block.
"""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from benchkit.engine import counting, ends, oracle, paths, placement, profile_phases
from benchkit.engine.dropping import DroppingWorker
from benchkit.engine.dues import drawn
from benchkit.engine.feed import Feed, Pool, Prepared, Stream, first_items, prepare
from benchkit.engine.filling import Filling
from benchkit.engine.flowing import FlowingProducer
from benchkit.engine.foresee_chain import foresee_chain
from benchkit.engine.forwarding import DroppingForwarding, Forwarding, Way, ways
from benchkit.engine.in_place import InPlace
from benchkit.engine.producer import Producer
from benchkit.engine.profile import Watch
from benchkit.engine.slowing import slowed_coder, slowed_receiver, slowed_sender, slowed_stage
from benchkit.engine.specs import specs
from benchkit.engine.task import Task
from benchkit.engine.telling import with_told
from benchkit.engine.work import Work, describe
from benchkit.engine.worker import Worker
from benchkit.errors import BenchkitError
from benchkit.flow.options import FlowOptions
from benchkit.load import base as load
from benchkit.scenario import seeds
from benchkit.sources import base as sources
from benchkit.sources.base import Item
from benchkit.stages import base as stages
from benchkit.stages.base import OpenStage
from benchkit.tensors.codecs import base as codecs
from benchkit.tensors.wire import ENVELOPE_BYTES
from benchkit.transports import base as transports

T = TypeVar("T")

_SAMPLED = 4
"""Messages of an endless source that are looked at before the run, to know how long messages are."""


def _key(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True)


class Shelf:
    """What this process keeps from block to block."""

    def __init__(self) -> None:
        self._items: dict[str, list[Item]] = {}
        self._prepared: dict[str, list[Prepared]] = {}
        self._stages: dict[str, OpenStage] = {}
        self.expected: dict[str, dict[int, bytes]] = {}
        self.foreseen: dict[str, dict[str, Any]] = {}
        """Of cells that differ in nothing that a reply depends on."""

    def items(self, source: sources.Source, seed: int) -> list[Item]:
        """The first messages of a source, made once."""
        key = _key(source.config(), seed)
        if key not in self._items:
            self._items[key] = first_items(source, seed, source.distinct or _SAMPLED)
        return self._items[key]

    def prepared(self, source: sources.Source, codec: codecs.Codec, seed: int) -> list[Prepared]:
        """Likewise, with the checksums of what the codec makes of them."""
        key = _key(source.config(), codec.config(), seed)
        if key not in self._prepared:
            items = self.items(source, seed)
            self._prepared[key] = [prepare(item, codec, index) for index, item in enumerate(items)]
        return self._prepared[key]

    def stage(self, stage: stages.Stage, seed: int) -> OpenStage:
        """An open stage; models stay loaded."""
        key = _key(stage.config(), seed)
        if key not in self._stages:
            self._stages[key] = stage.open(seed)
        return self._stages[key]


SHELF = Shelf()


def _mean(values: list[int]) -> int:
    return round(sum(values) / len(values))


def do_prepare(work: Work) -> dict[str, Any]:
    """Make a cell's messages; answers how long they are."""
    command = work.command
    source = sources.registry.build(command["source"])
    codec = codecs.registry.build(command["codec"])
    items = SHELF.items(source, command["seed"])
    made = SHELF.prepared(source, codec, command["seed"])
    longest = max(message.wire_bytes for message in made)
    # Messages that are made anew were not seen yet: leave room for longer ones.
    room = longest if source.distinct else 2 * longest + 65536
    return {
        "message_bytes": ENVELOPE_BYTES + room,
        "longest_bytes": ENVELOPE_BYTES + longest,
        "wire_bytes": ENVELOPE_BYTES + _mean([message.wire_bytes for message in made]),
        "payload_bytes": _mean([sum(a.nbytes for a in item.arrays.values()) for item in items]),
        "arrays": specs([item.arrays for item in items]),
    }


def do_foresee(work: Work) -> dict[str, Any]:
    """Run a cell's stage locally; answers what the replies must be."""
    command = work.command
    source = sources.registry.build(command["source"])
    codec = codecs.registry.build(command["codec"])
    stage = stages.registry.build(command["stage"])
    parts = ("source", "codec", "stage", "seed", "stage_seed", "check")
    key = _key(*(command[part] for part in parts))
    if key not in SHELF.foreseen:
        items = SHELF.items(source, command["seed"])
        opened = SHELF.stage(stage, command["stage_seed"])
        comparable = bool(source.distinct) and stage.deterministic and command["check"]
        foreseen = oracle.foresee(items, codec, opened, deterministic=comparable)
        SHELF.foreseen[key] = {**foreseen, "facts": opened.facts()}
    return SHELF.foreseen[key]


def do_foresee_chain(work: Work) -> dict[str, Any]:
    """Run a pipeline's stages locally, one after the other; answers what their messages are."""
    command = work.command
    source = sources.registry.build(command["source"])
    hops = command["hops"]
    found = foresee_chain(
        SHELF.items(source, command["seed"]),
        [codecs.registry.build(dict(hop["codec"])) for hop in hops],
        [SHELF.stage(stages.registry.build(dict(hop["stage"])), command["stage_seed"]) for hop in hops],
        [hop["after"] for hop in hops],
    )
    return {"hops": found}


def do_expect(work: Work) -> dict[str, Any]:
    """Keep what the oracle foresaw for a cell, to check replies by."""
    SHELF.expected[work.command["cell"]] = work.command["expected"]
    return {}


_SETTLED = itertools.count()
_THOROUGHLY_EVERY = 4


def _settle() -> None:
    """Move what exists out of the garbage collector's sight, so that it does not walk it during a block.

    Now and then what earlier blocks left in cycles comes back into sight first; walking everything takes tens
    of milliseconds, so it is not done before every block.
    """
    if next(_SETTLED) % _THOROUGHLY_EVERY == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


def _feed(task: Task, source: sources.Source, codec: codecs.Codec) -> Feed:
    if source.distinct:
        prepared = SHELF.prepared(source, codec, task.payload_seed)
        return Pool(prepared, task.producer, task.producers)
    return Stream(source, codec, task.payload_seed, task.producer, task.producers)


def _together(work: Work, task: Task) -> Task:
    """With several producers: say that this one is ready, and wait for the moment at which all begin."""
    if task.producers == 1:
        return task
    work.tell("ready")
    work.starting.wait()
    if not work.start_ns:  # the block was over before it began
        work.stopping = "now"
    return replace(task, start_ns=work.start_ns)


def _attempt(run: Callable[[], None]) -> dict[str, Any] | None:
    """Run to the end or to an error, which is returned: what was measured before it is kept."""
    try:
        run()
    except Exception as error:  # noqa: BLE001  (reported to the runner with the columns)
        return describe(error)
    return None


def do_produce(work: Work) -> dict[str, Any]:
    """One block's producing end."""
    task = Task(**work.command["task"])
    codec = codecs.registry.build(dict(task.codec))
    arrival = load.registry.build(dict(task.load))
    if not isinstance(arrival, load.OpenArrival | load.ClosedArrival):
        raise BenchkitError(f"the arrival {arrival.kind!r} is neither open nor closed")
    arrival.check()  # reads a trace's file before the clock runs
    source = sources.registry.build(dict(task.source))
    transport = transports.registry.build(dict(task.transport))
    before = paths.open_sockets()
    end = sender = transport.sender(task.address)
    try:
        path = paths.used(sender, before, task.link_ports)
        feed: Feed
        if transport.capabilities().in_place:
            feed = sender = InPlace(sender, SHELF.prepared(source, codec, task.payload_seed), codec)
        else:
            feed = _feed(task, source, codec)
        if task.hold:
            sender = Filling(sender, arrival, lambda: work.tell("filled"))
        try:
            schedule = drawn(arrival, task)
            coder: codecs.Coder = codec
            if task.slow is not None:
                coder = slowed_coder(codec, task.slow, encode="encode", decode="")
                sender = slowed_sender(sender, task.slow)
            rules = profile_phases.of_producer if task.flow is None else profile_phases.of_flowing
            with Watch(work, task, lambda: rules(feed.take, sender.send)) as watch:
                _settle()
                task = _together(work, task)
                made = Producer if task.flow is None else FlowingProducer
                producer = made(
                    task, feed, coder, sender, SHELF.expected.get(task.cell, {}), lambda: bool(work.stopping)
                )
                work.progress, work.handed = (lambda: producer.handed_over), (lambda: producer.outstanding)
                error = _attempt(watch.around(lambda: producer.run(schedule)))
                work.tell("counted", counts=counting.counted(end))
                work.tell("measured", **producer.result(), error=error, path=path, ran_on=placement.ran_on())
                watch.tell()
        finally:
            feed.close()
        work.closing.wait()
    finally:
        sender.close()
    return {}


def _share(key: str, make: Callable[[], AbstractContextManager[T]]) -> T:  # noqa: ARG001  (the seam's signature)
    raise BenchkitError(f"a transport within one process cannot share {key!r} with others")


def do_prepare_transport(work: Work) -> dict[str, Any]:
    """Hold a transport up in this process, where both of its ends will live, until it is closed."""
    command = work.command
    transport = transports.registry.build(command["transport"])
    setup = transports.Setup(folder=Path(command["folder"]), share=_share, **command["setup"])
    with transport.prepare(setup) as address:
        work.tell("ready", where=dict(address.where), path=address.path, claim=dict(address.claim))
        work.closing.wait()
    return {}


def do_serve(work: Work) -> dict[str, Any]:
    """One block's stage end."""
    task = Task(**work.command["task"])
    codec = codecs.registry.build(dict(task.codec))
    # Workers that drew equal service times would be one slow worker, not two.
    seed = seeds.seed_for(task.stage_seed, seeds.Stream.STAGE, work.command["worker"])
    stage = SHELF.stage(stages.registry.build(dict(task.stage)), seed)
    transport = transports.registry.build(dict(task.transport))
    before = paths.open_sockets()
    receiver = transport.receiver(task.address, work.command["worker"])
    try:
        path = paths.used(receiver, before, task.link_ports)
        with ways(task, work.command["worker"]) as onward:
            _serve(work, task, codec, receiver, stage, path, onward)
            if onward:
                # What was sent on may still lie within a sender's end.
                work.closing.wait()
    finally:
        receiver.close()
    return {}


def _serve(
    work: Work, task: Task, codec: codecs.Codec, receiver: transports.Receiver, stage: OpenStage,
    path: Mapping[str, str], onward: list[Way],
) -> None:  # fmt: skip
    """With its ends open."""
    _settle()
    end = receiver
    coder: codecs.Coder = codec
    if task.slow is not None:
        # What a worker encodes is its reply.
        coder = slowed_coder(codec, task.slow, encode="reply", decode="decode")
        receiver, stage = slowed_receiver(receiver, task.slow), slowed_stage(stage, task.slow)
    late = FlowOptions(**(task.flow or {})).drops_after_s is not None
    worker: Worker
    if onward:
        forwarding = DroppingForwarding if late else Forwarding
        worker = forwarding(task, coder, receiver, stage, work.stopped, onward)
    else:
        worker = (DroppingWorker if late else Worker)(task, coder, receiver, stage, work.stopped)
    work.progress, work.handed = (lambda: worker.handled), (lambda: worker.handed)
    with Watch(work, task, lambda: profile_phases.of_worker(receiver.receive, stage.run)) as watch:
        watch.begin(stage)
        work.tell("ready")
        if task.hold:
            work.going.wait()
        error = _attempt(watch.around(worker.run))
        work.tell("counted", counts=counting.counted(end))
        # Before the end is closed: what was measured must not be lost with it.
        seen = with_told(worker.result(), stage)
        work.tell("served", **seen, error=error, path=path, ran_on=placement.ran_on())
        watch.tell()


Handler = Callable[[Work], dict[str, Any]]
HANDLERS: Mapping[str, Handler] = {
    "prepare": do_prepare,
    "foresee": do_foresee,
    "foresee-chain": do_foresee_chain,
    "expect": do_expect,
    "prepare-transport": do_prepare_transport,
    "produce": do_produce,
    "serve": do_serve,
    **ends.HANDLERS,
}
