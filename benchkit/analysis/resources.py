"""What each resource of a cell did for its messages: utilisation, demand, and the rate at which it saturates.

A resource is a producer, a stage worker, the broker, the link, or the machine's cores. Its *service demand* is the
time of it that one message takes, and what that is differs, so each row says it (`demand_is`):

* a producer's is CPU time, pacing and a transport's spinning left out; where it is held longer than that in
  `encode` and `send` although messages leave in time (a client that waits for an answer), that wall time;
* a worker's is wall time from `received` to `replied` without waiting for a batch to fill (a stage that sleeps or
  waits for a lock serves nobody else meanwhile), the tool's own checks, and receiving, as far as messages that
  were already there when the worker asked tell what that takes; where none was, its CPU time is the least;
* that of a worker in the middle of a pipeline has encoding for the next stages in it, and not `send`, in which it
  may be waiting for them;
* a broker's is the CPU time of its busiest thread;
* that of the cores is the CPU time of all parties together, spinning left out;
* a link's is a message's bytes over its rate, where a link was put between the parties and limits one; loopback
  has none of its own: copying is the parties' CPU time.

Demands are those of the load that was measured: at a low one a process is woken for each message, at a high one for
several together, so what a low load says of capacity is cautious.

Utilisation is throughput times demand (the utilisation law), and a resource saturates at the cell's throughput over
its utilisation: so a worker that gets half of the messages saturates at twice its own rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum  # whatever the order of the parties: a record that is loaded again says the same
from typing import Any, Final

from benchkit.analysis import link
from benchkit.analysis.accounts import Accounts, accounts_of
from benchkit.analysis.laws import Station
from benchkit.analysis.measure import Measure
from benchkit.records.run import Block, Cell
from benchkit.words import say, word

_IN_TIME: Final = 0.01
"""Up to this share of late messages, `send` is not held up by what comes after it."""
_EXTERNAL: Final = word("the stage is a server of somebody else's, which keeps its times to itself")
_UNLIMITED: Final = word("the link between its parties limits no rate")
_LOOPBACK: Final = word("its bandwidth is not known: within one machine, copying is in the parties' CPU time")
_UNTOLD_BROKER: Final = word("the broker is not ours: what it used is not known")


@dataclass(frozen=True, slots=True)
class Demand:
    """What one message asks of a resource, in nanoseconds."""

    each_ns: float
    what: str
    parts_ns: Mapping[str, float] = field(default_factory=dict)
    """What it consists of, where it has parts."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a cell."""

    name: str
    """`producer-0`, `stage-0`, `broker`, `link`, `cores`."""
    role: str
    demand: Demand | None
    rate_per_s: float
    """Messages a second that it served."""
    cell_per_s: float
    """And the cell."""
    servers: int = 1
    accounts: Accounts = field(default_factory=Accounts)
    seen: Mapping[str, Any] = field(default_factory=dict)
    """What is known of it beside all this."""
    gaps: Mapping[str, str] = field(default_factory=dict)

    @property
    def utilisation(self) -> float | None:
        """Of each of its servers, by the utilisation law; None where the demand is not known."""
        return None if self.demand is None else self.rate_per_s * self.demand.each_ns / 1e9 / self.servers

    @property
    def saturates_per_s(self) -> float | None:
        """Messages a second of the cell at which it would work all the time, dealt out as they were."""
        return self.cell_per_s / self.utilisation if self.utilisation else None


@dataclass(frozen=True, slots=True)
class Served:
    """One stage of a pipeline, for its workers' rows."""

    name: str
    measure: Measure
    onward_ns: float
    """Encoding for the next stages and acknowledging, a message."""


def resources(
    cell: Cell, blocks: Sequence[Block], measure: Measure, cores: int, stages: Sequence[Served] = ()
) -> list[Resource]:
    """Those of one cell; none where no message was delivered. `cores` of the machine, 0: not known.

    `stages` are those of a pipeline: the workers of each are a station of their own, by its name.
    """
    span_ns = measure.span_ns
    if not measure.latency.count or not span_ns:
        return []
    kept = accounts_of(cell, blocks, measure)
    rate = measure.latency.count / span_ns * 1e9
    return [
        *_producers(cell, kept, measure, rate),
        *(
            row
            for each in stages or (Served("stage", measure, 0.0),)
            for row in (
                _external(blocks, rate)
                if cell.external_stage
                else _workers(kept, each, measure.span_ns, rate, linked=cell.link is not None)
            )
        ),
        *_broker(cell, blocks, kept, rate),
        _link(cell, blocks, rate),
        _cores(blocks, kept, rate, cores),
    ]


def _producers(cell: Cell, kept: Mapping[str, Accounts], measure: Measure, rate: float) -> Iterator[Resource]:
    for name in _named(kept, "producer"):
        own = kept[name]
        share = rate / max(1, cell.producers)
        yield Resource(name, "producer", _producing(own, measure), share, rate, 1, own, gaps=own.gaps)


def _producing(own: Accounts, measure: Measure) -> Demand | None:
    cpu_ns = own.work_ns
    encode, send = measure.of_producer("encode"), measure.of_producer("send")
    send_ns = send.quantiles_ns["p50"]
    if own.open_loop and measure.pace.late_share <= _IN_TIME and send_ns is not None:
        # The median: what holds `send` up now and then is not what it takes.
        held_ns = encode.mean_ns + send_ns
        if cpu_ns is None or held_ns > cpu_ns:
            return Demand(
                held_ns, say("wall time of encode and send"), {"encode": encode.mean_ns, "send": send_ns}
            )
    if cpu_ns is None:
        return None
    return Demand(
        max(cpu_ns, encode.mean_ns),
        say("CPU time") if cpu_ns >= encode.mean_ns else say("wall time of encode"),
    )


def _workers(
    kept: Mapping[str, Accounts], stage: Served, span_ns: int, rate: float, *, linked: bool
) -> Iterator[Resource]:
    role, measure = stage.name, stage.measure
    # What a link still delays was sent and is not there: receiving it would count as work of the worker.
    fetch_ns = None if linked else measure.fetch_ns
    names = {f"{role}-{number}": worked for number, worked in measure.worked.items()}
    for name in sorted({*names, *_named(kept, role)}, key=_number):
        own, worked = kept.get(name, Accounts()), names.get(name)
        if worked is None or not worked.messages:
            yield Resource(
                name, role, None, 0.0, rate, 1, own, gaps={**own.gaps, name: say("it got no message")}
            )
            continue
        own_rate = worked.messages / span_ns * 1e9
        busy_ns = worked.busy_ns / worked.messages
        yield Resource(
            name, role, _serving(own, busy_ns, fetch_ns, stage.onward_ns), own_rate, rate, 1, own,
            {"busy_us_per_message": busy_ns / 1e3, "blocked_at_least_us_per_message": _blocked_us(own, busy_ns)},
            own.gaps,
        )  # fmt: skip


def _serving(own: Accounts, busy_ns: float, fetch_ns: int | None, onward_ns: float) -> Demand:
    parts = {"busy": busy_ns, "checking": own.per_message("integrity_ns") or 0.0}
    if onward_ns:
        parts["onward"] = onward_ns
    if fetch_ns is not None:
        parts["receiving"] = float(fetch_ns)
        return Demand(
            fsum(parts.values()), say("wall time of receiving, decode, compute, reply and checking"), parts
        )
    whole_ns, cpu_ns = fsum(parts.values()), own.work_ns or 0.0
    if cpu_ns > whole_ns:
        return Demand(
            cpu_ns, say("CPU time, receiving included: no message had to wait for the worker"), parts
        )
    return Demand(whole_ns, say("wall time of decode, compute, reply and checking, receiving unknown"), parts)


def _blocked_us(own: Accounts, busy_ns: float) -> float | None:
    """Of a message's time in the worker, what it can neither have run nor waited for a core: sleep, lock, device."""
    ran, waited = own.per_message("thread_cpu_ns"), own.per_message("thread_runnable_ns")
    if ran is None or waited is None:
        return None
    # What the thread ran elsewhere is taken off as well, its spinning not: so this is the least.
    return max(0.0, busy_ns - max(0.0, ran - (own.per_message("spin_ns") or 0.0)) - waited) / 1e3


def _external(blocks: Sequence[Block], rate: float) -> Iterator[Resource]:
    told = [block.server for block in blocks if block.server is not None]
    requests = sum(each.requests for each in told)
    if not requests:
        yield Resource("stage-0", "stage", None, rate, rate, gaps={"stage-0": say(_EXTERNAL)})
        return
    each_ns = sum(each.compute_ns for each in told) / requests
    yield Resource(
        "stage-0", "stage", Demand(each_ns, say("compute by the server's own counters")), rate, rate
    )


def _broker(
    cell: Cell, blocks: Sequence[Block], kept: Mapping[str, Accounts], rate: float
) -> Iterator[Resource]:
    if not cell.has_broker and "broker" not in kept:
        return
    own = kept.get("broker", Accounts())
    cpu_ns = own.per_message("thread_cpu_ns")
    cpu_ns = own.work_ns if cpu_ns is None else cpu_ns
    gaps = dict(own.gaps) if own.used else {**own.gaps, "broker": say(_UNTOLD_BROKER)}
    demand = None if cpu_ns is None else Demand(cpu_ns, say("CPU time of its busiest thread"))
    yield Resource("broker", "broker", demand, rate, rate, 1, own, _counted(blocks, rate), gaps)


def _counted(blocks: Sequence[Block], rate: float) -> dict[str, Any]:
    """What the broker's own counters tell: bytes a message, memory, and what went wrong."""
    told = [(block.broker, block.scheduled) for block in blocks if block.broker is not None]
    messages = sum(scheduled for _, scheduled in told)
    if not messages:
        return {}
    found: dict[str, Any] = {}
    for name in ("received_bytes", "sent_bytes", "commands"):
        known = [(value, many) for each, many in told if (value := getattr(each, name)) is not None]
        if known:
            found[f"{name}_per_message"] = sum(value for value, _ in known) / sum(many for _, many in known)
    carried = [found.get(f"{name}_per_message") for name in ("received_bytes", "sent_bytes")]
    found["bytes_per_s"] = rate * sum(each or 0.0 for each in carried) if any(carried) else None
    found["data_bytes"] = max(
        (each.memory_bytes for each, _ in told if each.memory_bytes is not None), default=None
    )
    for name in ("evicted_keys", "rejected_connections", "forks", "delayed_fsyncs"):
        values = [value for each, _ in told if (value := getattr(each, name)) is not None]
        found[name] = sum(values) if values else None
    return found


def _link(cell: Cell, blocks: Sequence[Block], rate: float) -> Resource:
    seen: dict[str, Any] = {"bytes_per_s": rate * cell.wire_bytes}
    if cell.link is None:
        return Resource("link", "link", None, rate, rate, seen=seen, gaps={"link": say(_LOOPBACK)})
    found = link.burden(cell, blocks)
    seen |= {"busy_share": found.busy_share, "delay_us": found.delay_us}
    demand = Demand(found.transmission_us * 1e3, say("bytes over the rate of the link between its parties"))
    if not demand.each_ns:
        return Resource("link", "link", None, rate, rate, seen=seen, gaps={"link": say(_UNLIMITED)})
    return Resource("link", "link", demand, rate, rate, seen=seen)


def _cores(blocks: Sequence[Block], kept: Mapping[str, Accounts], rate: float, cores: int) -> Resource:
    works = [each.work_ns for each in kept.values()]
    demand = None
    if works and cores and None not in works:
        demand = Demand(fsum(filter(None, works)), say("CPU time of all parties"))
    told = [block.cores for block in blocks if block.cores]
    by_core = {
        core: sum(each.get(core, 0.0) for each in told) / len(told)
        for core in sorted({core for each in told for core in each}, key=lambda core: (len(core), core))
    }
    untold = [why for block in blocks if (why := block.gaps.get("cores"))]
    seen = {
        "by_core": by_core or None,
        # Whoever used them: other programs, spinning and pacing are in it.
        "busy_share": fsum(by_core.values()) / len(by_core) if by_core else None,
    }
    return Resource(
        "cores",
        "cores",
        demand,
        rate,
        rate,
        max(1, cores),
        seen=seen,
        gaps={"busy_share": untold[0]} if untold else {},
    )


def _named(kept: Mapping[str, Accounts], role: str) -> list[str]:
    return sorted((name for name in kept if name.partition("-")[0] == role), key=_number)


def _number(name: str) -> int:
    return int(name.rpartition("-")[2]) if name.rpartition("-")[2].isdigit() else 0


def stations(found: Sequence[Resource]) -> list[Station]:
    """Resources alike as one station with several servers; those whose demand is not known are left out."""
    together: dict[str, list[Resource]] = {}
    for each in found:
        if each.demand is not None and each.demand.each_ns > 0 and each.rate_per_s > 0:
            together.setdefault(each.role, []).append(each)
    return [_station(role, some) for role, some in together.items()]


def _station(role: str, some: Sequence[Resource]) -> Station:
    rate = sum(each.rate_per_s for each in some)
    demand_ns = sum(each.demand.each_ns * each.rate_per_s for each in some if each.demand) / rate
    servers = sum(each.servers for each in some)
    return Station(role, demand_ns / 1e9, servers)


def as_document(each: Resource) -> dict[str, Any]:
    """One entry of a cell's `resources` in run.json; microseconds; None: not known, with the reason in `gaps`."""
    demand = each.demand
    return {
        "name": each.name,
        "role": each.role,
        "servers": each.servers,
        "utilisation": each.utilisation,
        "demand_us_per_message": demand.each_ns / 1e3 if demand else None,
        "demand_is": demand.what if demand else None,
        "demand_parts_us": {name: ns / 1e3 for name, ns in demand.parts_ns.items()} if demand else {},
        "saturates_per_s": each.saturates_per_s,
        **({} if each.role in ("link", "cores") else each.accounts.as_document()),
        **each.seen,
        "gaps": dict(each.gaps),
    }
