"""A cell that can be measured: its messages are made, its replies foreseen, its transport is up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchkit.engine import chain, fan_in, ready_chain
from benchkit.engine.crew import Crew, Party
from benchkit.engine.describing import describe, flow_of
from benchkit.engine.linking import Linking, linked
from benchkit.engine.site import Site, Specs
from benchkit.engine.specs import array_specs
from benchkit.engine.task import Task
from benchkit.engine.work import describe as describe_error
from benchkit.errors import BenchkitError, Rejected
from benchkit.load.base import OpenArrival
from benchkit.load.search import Backlog, Search
from benchkit.records.run import Cell, Psnr
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import ENVELOPE_BYTES
from benchkit.transports.base import Address, Setup, Transport
from benchkit.units import show_bytes

_PREPARE_S = 120.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a cell's messages, envelopes included but for the payload."""

    message: int
    reply: int
    wire_mean: int
    payload_mean: int
    arrays: tuple[Specs, Specs] = ((), ())
    """Of messages and of replies, where the codec sends them as they are."""


class ReadyCell:
    """A planned cell with what a block of it needs."""

    def __init__(
        self,
        cell: PlannedCell,
        sizes: Sizes,
        record: Cell,
        expected: dict[int, bytes],
        onward: Sequence[Sizes] = (),
    ) -> None:
        """`onward`: sizes of the messages of a pipeline's later hops."""
        self.cell = cell
        self._onward = onward
        self._legs: list[Address] = []
        """Where each hop's transport is, of the block under way."""
        self._expected = expected
        self._briefed: dict[str, Party] = {}
        """Who has the messages and knows the replies, by role."""
        self.sizes = sizes
        self.record = record
        self.address: Address | None = None
        self.linking: Linking | None = None
        """The link of the block under way, where the cell has one."""
        self.kept = False
        """A block of it was measured."""
        self._transport = ExitStack()
        self._next_seq = 0
        self._opened = 0

    @property
    def one_process(self) -> bool:
        """Producer and worker must be threads of one process."""
        return self.cell.transport.capabilities().same_process

    @property
    def external_stage(self) -> bool:
        """No worker of ours runs."""
        return self.cell.transport.capabilities().external_stage

    def server_times(self) -> Mapping[str, int] | None:
        """What an external stage's counters say now; None where there are none."""
        if self.address is None or not self.external_stage:
            return None
        with _translated(self.cell, "asked for its server's counters"):
            return self.cell.transport.server_times(self.address)

    def broker_counts(self) -> Mapping[str, int] | None:
        """What a broker's own counters say now; None where there are none."""
        if self.address is None:
            return None
        with _translated(self.cell, "asked for its broker's counters"):
            return self.cell.transport.broker_counts(self.address)

    @property
    def hosts(self) -> list[str]:
        """Roles of the processes that serve; none where the stage is a server of somebody else's."""
        if self.external_stage:
            return []
        return ["producer"] if self.one_process else chain.stage_roles(self.cell)

    def open(self, site: Site, crew: Crew) -> Address:
        """Bring up a fresh transport for one block; on a new broker where the last one died."""
        site.look()
        cell, sizes = self.cell, self.sizes
        setup = site.setup(sizes.message, sizes.reply, cell.workers, cell.producers, arrays=sizes.arrays)
        transport = self.cell.transport
        self._transport.callback(_tidy, setup.folder)
        with _translated(self.cell, "prepared"):
            made = _prepared_there(crew, transport, setup) if self.one_process else transport.prepare(setup)
            address = self._transport.enter_context(made)
        site.opened(address)
        if cell.link is not None:
            # The same draws in each round for every cell, as with schedules.
            seed = f"{cell.link_seed}/{self._opened}"
            made_link = linked(setup, transport, address, cell.link, seed)
            with _translated(cell, "led through a link"):
                self.linking = self._transport.enter_context(made_link)
            address = self.linking.address
        self._opened += 1
        self._legs = [address, *self._later(site)]
        if address.broker_pid is None:
            # The first broker of the way stands for all: hops of one kind share it.
            pids = (leg.broker_pid for leg in self._legs)
            address = replace(address, broker_pid=next((pid for pid in pids if pid is not None), None))
        self.address = address
        self.record = replace(
            self.record, path=address.path, level=address.level or self.record.level
        )  # fmt: skip
        return address

    def _later(self, site: Site) -> Iterator[Address]:
        """A pipeline's later hops: a fresh transport for each of them."""
        hops = self.cell.hops
        for hop, sizes in zip(hops[1:], self._onward, strict=True):
            workers = hops[hop.after].workers
            setup = site.setup(sizes.message, sizes.reply, hop.workers, workers, arrays=sizes.arrays)
            self._transport.callback(_tidy, setup.folder)
            with _translated(self.cell, f"prepared for stage {hop.name}"):
                address = self._transport.enter_context(hop.transport.prepare(setup))
            site.opened(address)
            yield address

    @property
    def hop_claims(self) -> dict[str, Mapping[str, str]]:
        """What the ends of a pipeline's later hops will use, by what they are called in the record's `paths`."""
        return ready_chain.claims(self.cell, self._legs)

    def brief(self, crew: Crew, plan: Plan) -> None:
        """See that each producer has the messages and knows their replies, also one that replaced a dead one."""
        parties = [crew.get(role) for role in fan_in.roles(self.cell.producers)]
        new = [party for party in parties if self._briefed.get(party.role) is not party]
        for preparing in [crew.begin(party, "prepare", **_messages(plan, self.cell)) for party in new]:
            crew.answer(preparing, _PREPARE_S)
        for party in new:
            crew.ask(party, "expect", _PREPARE_S, cell=self.cell.id, expected=self._expected)
            self._briefed[party.role] = party

    def close(self) -> None:
        """Take the block's transport down."""
        self.address = self.linking = None
        self._legs = []
        with _translated(self.cell, "taken down"):
            self._transport.close()

    def count_on(self, next_seq: int) -> None:
        """A block of it was measured; the next one numbers its messages from here on."""
        self._next_seq = next_seq
        self.kept = True

    def offered_per_s(self, plan: Plan, round_: int) -> float | None:
        """Asked rate: of the gaps between due moments, which no block's end cuts off; None in a closed loop."""
        load = self.cell.load
        if not isinstance(load, OpenArrival) or isinstance(load, Search):
            return None
        if load.rate_per_s is not None:
            return load.rate_per_s
        # A whole number of messages in a short block is another rate than the one that was asked for.
        seconds = plan.blocks.warmup_s + plan.blocks.duration_s
        due = load.offsets_ns(seconds, seed_for(plan.seed, Stream.SCHEDULE, round_))
        return (len(due) - 1) * 1e9 / float(due[-1] - due[0]) if len(due) > 1 else len(due) / seconds

    def task(self, plan: Plan, round_: int) -> Task:
        """What the parties are told for a block of this round."""
        task = self._task(plan, round_)
        load = self.cell.load
        if not isinstance(load, Backlog):
            return task
        # A queue is filled before its drain is measured: nothing in it is warm-up.
        return replace(task, hold=True, warmup_s=0.0, drain_s=load.longest)

    def _task(self, plan: Plan, round_: int) -> Task:
        cell = self.cell
        if self.address is None:
            raise BenchkitError("the transport is not open", where=cell.id)
        return Task(
            cell=cell.id,
            source=cell.source.config(),
            codec=cell.codec.config(),
            transport=cell.transport.config(),
            stage=cell.stage.config(),
            load=cell.load.config(),
            where=dict(self.address.where),
            first_seq=self._next_seq,
            batch_size=cell.batch_size,
            batch_delay_s=cell.batch_delay_s,
            replies=cell.replies,
            duration_s=plan.blocks.duration_s,
            warmup_s=plan.blocks.warmup_s,
            warmup_max_s=plan.blocks.warmup_max_s,
            drain_s=plan.blocks.drain_s,
            payload_seed=seed_for(plan.seed, Stream.PAYLOAD),
            # One schedule a round, the same for every cell: differences between cells are paired.
            schedule_seed=seed_for(plan.seed, Stream.SCHEDULE, round_),
            stage_seed=seed_for(plan.seed, Stream.STAGE),
            checksum_every=plan.checksum_every,
            stop_on_error=plan.on_error == "stop",
            one_process=self.one_process,
            external_stage=self.external_stage,
            producers=cell.producers,
            led=self.linking.led if self.linking else {},
            flow=flow_of(cell),
            chain=chain.entries(cell.hops, self._legs) if cell.hops else (),
        )


def _tidy(folder: Path) -> None:
    """A soak has tens of thousands of blocks; what is shared with later ones may live in an earlier one's folder."""
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _translated(cell: PlannedCell, doing: str) -> Iterator[None]:
    """A transport is anybody's code: what it raises costs its cell, not the run."""
    try:
        yield
    except BenchkitError:
        raise
    except Exception as error:  # noqa: BLE001  (anybody's code; raised again as what it means here)
        told = describe_error(error)
        failed = BenchkitError(
            f"the transport {cell.transport.kind!r} could not be {doing}: {told['what']}",
            remedy="run benchkit.testing.check_transport on it",
        )
        failed.add_note(told["traceback"])
        raise failed from None


@contextmanager
def _prepared_there(crew: Crew, transport: Transport, setup: Setup) -> Iterator[Address]:
    """A transport within one process is prepared where its ends will live."""
    party = crew.get("producer")
    asked = crew.begin(
        party, "prepare-transport", transport=transport.config(), folder=str(setup.folder),
        setup={name: getattr(setup, name) for name in ("name", "message_bytes", "reply_bytes", "workers")},
    )  # fmt: skip
    ready = crew.answer(asked, _PREPARE_S, "ready")
    try:
        yield Address(ready["where"], ready["path"], claim=ready["claim"])
    finally:
        party.tell("close", of=asked.number)
        if not party.dead:
            crew.answer(asked, _PREPARE_S)


def make_ready(crew: Crew, plan: Plan, cell: PlannedCell) -> ReadyCell:
    """Have the producer make the messages while the oracle foresees the replies; raises what they report."""
    producer, oracle = crew.get("producer"), crew.get("oracle")
    messages = _messages(plan, cell)
    preparing = crew.begin(producer, "prepare", **messages)
    external = cell.transport.capabilities().external_stage
    # The `null` stage stands for nothing that a server would run: there is nothing to compare its replies with.
    check = plan.check_replies and not (external and cell.stage.kind == Null.kind)
    foreseen = crew.ask(
        oracle, "foresee", _PREPARE_S,
        stage=cell.stage.config(), stage_seed=seed_for(plan.seed, Stream.STAGE), check=check, **messages,
    )  # fmt: skip
    prepared = crew.answer(preparing, _PREPARE_S)
    as_they_are = cell.codec.kind == Raw.kind
    arrays = (array_specs(prepared["arrays"]), array_specs(foreseen["arrays"])) if as_they_are else ((), ())
    sizes = Sizes(
        prepared["message_bytes"], foreseen["reply_bytes"], prepared["wire_bytes"], prepared["payload_bytes"], arrays
    )  # fmt: skip
    _fits(cell.transport, prepared["longest_bytes"])
    later, hops = ready_chain.foreseen(crew, plan, cell, messages)
    onward = []
    for hop, own in zip(cell.hops[1:], later, strict=True):
        _fits(hop.transport, own["longest_bytes"])
        their = array_specs(own["arrays"]) if hop.codec.kind == Raw.kind else ()
        onward.append(Sizes(own["message_bytes"], ENVELOPE_BYTES, own["wire_bytes"], 0, (their, ())))
    psnr_db = foreseen["psnr_db"]
    record = replace(
        describe(cell), payload_bytes=sizes.payload_mean, wire_bytes=sizes.wire_mean,
        stage_facts={} if external else foreseen["facts"],
        psnr_db=Psnr(sum(psnr_db) / len(psnr_db), min(psnr_db), len(psnr_db)) if psnr_db else None, hops=hops,
    )  # fmt: skip
    return ReadyCell(cell, sizes, record, foreseen["expected"], onward)


def _fits(transport: Transport, longest_bytes: int) -> None:
    """Raises Rejected, with the limit's name, for messages that the transport can never take."""
    promised = transport.capabilities()
    limit_bytes = promised.max_message_bytes
    if limit_bytes is not None and longest_bytes > limit_bytes:
        raise Rejected(
            f"messages of {longest_bytes} bytes ({show_bytes(longest_bytes)}) where {transport.kind} takes at most "
            f"{limit_bytes} ({promised.limit_name or show_bytes(limit_bytes)})",
            remedy="make the payload smaller, or choose a codec that packs it or a transport without this limit",
        )


def _messages(plan: Plan, cell: PlannedCell) -> dict[str, Any]:
    """What a party must know to make a cell's messages."""
    seed = seed_for(plan.seed, Stream.PAYLOAD)
    return {"source": cell.source.config(), "codec": cell.codec.config(), "seed": seed}
