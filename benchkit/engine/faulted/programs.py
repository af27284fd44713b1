"""What runs in a party's process, from its role to its end."""

from __future__ import annotations

from pathlib import Path

from benchkit.engine.faulted.board import Board
from benchkit.engine.faulted.clock import WallClock
from benchkit.engine.faulted.journal import Journal
from benchkit.engine.faulted.producing import Producing
from benchkit.engine.faulted.roles import Role
from benchkit.engine.faulted.serving import Serving
from benchkit.engine.feed import Feed, Pool, Stream
from benchkit.engine.handlers import SHELF
from benchkit.engine.pacing import sharpen_timers
from benchkit.errors import BenchkitError
from benchkit.load import base as load
from benchkit.scenario import seeds
from benchkit.sources import base as sources
from benchkit.stages import base as stages
from benchkit.tensors.codecs import base as codecs
from benchkit.transports import base as transports


def play(role: Role) -> None:
    """Be this party until the board says that the parties end."""
    journal = Journal(Path(role.journal), role.room)
    board = Board(Path(role.board))
    journal.beat()
    sharpen_timers()
    try:
        _produce(role, journal, board) if role.party == "producer" else _serve(role, journal, board)
    finally:
        journal.end()


def dues(role: Role) -> list[int]:
    """Due moments of the whole schedule, ns from its start."""
    arrival = load.registry.build(dict(role.load))
    if not isinstance(arrival, load.OpenArrival):
        raise BenchkitError(f"the arrival {arrival.kind!r} has no schedule")
    found: list[int] = arrival.offsets_ns(role.duration_s, role.schedule_seed).tolist()
    return found


def _wall(role: Role) -> WallClock:
    return WallClock(Path(role.board).parent, role.label)


def _produce(role: Role, journal: Journal, board: Board) -> None:
    source = sources.registry.build(dict(role.source))
    codec = codecs.registry.build(dict(role.codec))
    transport = transports.registry.build(dict(role.transport))
    feed: Feed
    if source.distinct:
        feed = Pool(SHELF.prepared(source, codec, role.seed), role.number, role.producers)
    else:
        feed = Stream(source, codec, role.seed, role.number, role.producers)
    try:
        Producing(
            lambda: transport.sender(role.address), feed, codec, dues(role), journal, board,
            first=role.first, step=role.producers, replies=role.replies, wall=_wall(role),
        ).run()  # fmt: skip
    finally:
        feed.close()


def _serve(role: Role, journal: Journal, board: Board) -> None:
    codec = codecs.registry.build(dict(role.codec))
    # Workers that drew equal service times would be one slow worker, not two.
    seed = seeds.seed_for(role.stage_seed, seeds.Stream.STAGE, role.number)
    opened = stages.registry.build(dict(role.stage)).open(seed)
    transport = transports.registry.build(dict(role.transport))
    try:
        Serving(
            lambda: transport.receiver(role.address, role.number), codec, opened, journal, board,
            worker=role.number, replies=role.replies, wall=_wall(role),
            batch_size=role.batch_size, batch_delay_s=role.batch_delay_s,
        ).run()  # fmt: skip
    finally:
        opened.close()
