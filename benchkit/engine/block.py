"""One block: receivers open, the sender opens, messages flow, everything drains, the ends close."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchkit.analysis.warmup import Warmup, find_warmup
from benchkit.engine import fan_in, usage
from benchkit.engine.crew import Crew, Party, reported
from benchkit.engine.fan_in import Produced
from benchkit.engine.join import Columns, join, producer_columns, worker_columns
from benchkit.engine.task import Task
from benchkit.errors import BenchkitError, PartyError
from benchkit.records.run import Block, Failure, ServerTimes, Usage
from benchkit.records.samples import Samples
from benchkit.scenario.redact import redact

_OPEN_S = 30.0
_QUIET_S = 0.25
"""The block is drained when no worker got any further for this long, or for half of a longer drain."""
_MARGIN_S = 20.0
"""A party that is this much over its time is given up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands in the run."""

    index: int
    round: int
    payload_bytes: int
    offered_per_s: float | None
    broker_pid: int | None
    level_per_s: float | None = None
    server_times: Callable[[], Mapping[str, int] | None] = lambda: None
    """What an external stage's own counters say."""


@dataclass(slots=True)
class _Ends:
    """The commands under way in this block."""

    hands: list[Party]
    """The producers."""
    workers: list[tuple[Party, int]]
    producing: list[tuple[Party, int]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def dead(self) -> list[Party]:
        return [
            party
            for party in dict.fromkeys([*self.hands, *(party for party, _ in self.workers)])
            if party.dead
        ]

    @property
    def reports(self) -> list[dict[str, Any] | None]:
        """What each producer measured; None for one that died."""
        return [party.event(number, "measured") for party, number in self.producing]


def run_block(
    crew: Crew,
    task: Task,
    place: Place,
    hosts: Sequence[str],
    profiles: dict[str, dict[str, str]] | None = None,
) -> tuple[Block, Samples]:
    """Measure one block; raises BenchkitError only when an end could not even open.

    `profiles` is filled with the pages of a profiled block by role.
    """
    workers = [crew.get(role) for role in hosts]
    ends = _Ends([crew.get(role) for role in fan_in.roles(task.producers)], [])
    plain = task.plain()
    try:
        for number, party in enumerate(workers):
            ends.workers.append((party, party.post("serve", task=plain, worker=number)))
        _await_ready(crew, ends)
        broker = _Broker(place.broker_pid)
        counted = place.server_times()
        for number, party in enumerate(ends.hands):
            ends.producing.append((party, party.post("produce", task=fan_in.part(task, number).plain())))
        if task.producers > 1:
            _start_together(crew, ends)
        produced = _await_measured(crew, ends, task)
        if produced is not None and not task.replies and not ends.dead:
            _await_quiet(crew, ends, _handed_over(produced), task.drain_s)
        gave_up = produced is None or bool(produced.told["outstanding"])
        stage = _stop_workers(crew, ends, "now" if gave_up else "drain")
        broker_usage = broker.used()
        ended_ns = time.monotonic_ns()
        server = _server_times(counted, place.server_times())
        _close_producers(crew, ends)
        if profiles is not None:
            profiles.update(_profiles(ends))
        block, samples = _record(task, place, ends, produced, stage, broker_usage, ended_ns)
        return replace(block, server=server), samples
    except BenchkitError:
        # Nobody may go on with a block that is over: its transport is taken down next.
        _stop_producers(ends)
        _stop_workers(crew, ends, "now")
        _close_producers(crew, ends)
        raise
    finally:
        for party, number in [*ends.producing, *ends.workers]:
            party.forget(number)


def _handed_over(produced: Produced) -> int:
    """How many messages the producers handed over; what was rejected reaches no worker."""
    columns = produced.columns
    return int(((columns["sent"] != 0) & (columns["status"] == 0)).sum())


def _await_ready(crew: Crew, ends: _Ends) -> None:
    """Every receiver is open, or the error of the first that is not."""

    def settled() -> bool:
        return all(
            party.dead or party.event(number, "ready", "failed", "done") for party, number in ends.workers
        )

    in_time = crew.wait(settled, _OPEN_S)
    for party, number in ends.workers:
        failed = party.event(number, "failed")
        if failed:
            error: BenchkitError = reported(failed, party.role)
        elif party.dead:
            error = PartyError(
                party.dead, where=party.role, remedy="look at what the stage does when it is opened"
            )
        elif not in_time:
            error = PartyError(f"not ready within {_OPEN_S:.0f} s", where=party.role)
        else:
            continue
        raise error


def _start_together(crew: Crew, ends: _Ends) -> None:
    """Several producers begin the one schedule at one moment; one that has died or failed by now is seen later."""
    crew.wait(
        lambda: all(party.dead or party.event(n, "ready", "failed") for party, n in ends.producing), _OPEN_S
    )
    start_ns = time.monotonic_ns() + fan_in.START_LEAD_NS
    for party, number in ends.producing:
        party.tell("start", of=number, start_ns=start_ns)


def _await_measured(crew: Crew, ends: _Ends, task: Task) -> Produced | None:
    """What the producers measured; None when none is left. Stops early when a party is gone or gave up."""
    limit_s = task.warmup_s + task.duration_s + task.drain_s + _MARGIN_S
    told, held = False, task.hold

    def settled() -> bool:
        nonlocal told, held
        if held and all(party.event(n, "filled") for party, n in ends.producing):
            held = False
            _let_go(ends)
        if not told and _broken(ends):
            told = True
            _stop_producers(ends)
        return all(party.dead or party.event(n, "measured", "failed") for party, n in ends.producing)

    crew.wait(settled, limit_s)
    for party, number in ends.producing:
        measured, failed = party.event(number, "measured"), party.event(number, "failed")
        if measured is not None:
            if measured["error"]:
                ends.failures.append(_failure(party.role, measured["error"]))
        elif failed:
            raise reported(failed, party.role)
        elif not party.dead:
            crew.dismiss(party.role)
            party.dead = f"no answer {_MARGIN_S:.0f} s after the block's end"
    return fan_in.together(ends.reports, task)


def _broken(ends: _Ends) -> bool:
    """A party is gone or gave up: what the others still sent would be in vain."""
    return any(party.dead or party.event(n, "done", "failed") for party, n in ends.workers) or any(
        party.dead or party.event(n, "failed") or (party.event(n, "measured") or {}).get("error")
        for party, n in ends.producing
    )


def _stop_producers(ends: _Ends) -> None:
    for party, number in ends.producing:
        party.tell("stop", of=number, how="now")


def _let_go(ends: _Ends) -> None:
    """Workers that were held back begin; also where the block is over before anything was handed over."""
    for party, number in ends.workers:
        party.tell("go", of=number)


def _await_quiet(crew: Crew, ends: _Ends, sent: int, drain_s: float) -> None:
    """Without replies: until the workers have handled everything, or get no further."""
    until = time.monotonic() + drain_s
    seen, since = -1, time.monotonic()
    while time.monotonic() < until and not ends.dead:
        try:
            done = sum(
                crew.ask(party, "progress", _OPEN_S, of=number)["progress"] for party, number in ends.workers
            )
        except PartyError:
            # It died or hangs: noticed where its columns are awaited; the others' are kept.
            return
        if done >= sent:
            return
        if done != seen:
            seen, since = done, time.monotonic()
        elif time.monotonic() - since > _quiet_s(drain_s):
            return
        crew.pump(0.01)


def _stop_workers(crew: Crew, ends: _Ends, how: str) -> list[dict[str, Any] | None]:
    """Each worker's columns, None for one that died."""
    for party, number in ends.workers:
        party.tell("stop", of=number, how=how)
    _let_go(ends)
    crew.wait(
        lambda: all(party.dead or party.event(n, "done", "failed") for party, n in ends.workers), _MARGIN_S
    )
    results: list[dict[str, Any] | None] = []
    for worker, (party, number) in enumerate(ends.workers):
        result = party.event(number, "served")
        failed = party.event(number, "failed") or (result or {}).get("error")
        if failed:
            # By its part, not by its process: within one process that is the producer's.
            ends.failures.append(_failure(f"stage-{worker}", failed))
        if result is None and not failed and not party.dead:
            crew.dismiss(party.role)
            party.dead = f"no answer {_MARGIN_S:.0f} s after it was told to stop"
        results.append(result)
    return results


def _close_producers(crew: Crew, ends: _Ends) -> None:
    for party, number in ends.producing:
        party.tell("close", of=number)
    crew.wait(
        lambda: all(party.dead or party.event(n, "done", "failed") for party, n in ends.producing), _MARGIN_S
    )


def _profiles(ends: _Ends) -> dict[str, dict[str, str]]:
    told = {
        **{(party.role, n): party for party, n in ends.producing},
        **{(f"stage-{i}", n): p for i, (p, n) in enumerate(ends.workers)},
    }
    events = {role: party.event(number, "profile") for (role, number), party in told.items()}
    return {
        role: {"html": event["html"], "speedscope": event["speedscope"]}
        for role, event in events.items()
        if event
    }


class _Broker:
    """What the broker used between two moments, by the kernel's account."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        if pid is not None:
            usage.reset_peak(pid)
            self._from_ns = usage.cpu_ns(pid)

    def used(self) -> Usage | None:
        """None where there is no broker of ours."""
        if self._pid is None:
            return None
        return Usage(
            max(0, usage.cpu_ns(self._pid) - self._from_ns),
            usage.peak_rss_bytes(self._pid),
            rss_bytes=usage.rss_bytes(self._pid),
        )


def _failure(party: str, event: Mapping[str, Any]) -> Failure:
    return Failure(party, event["type"], event["what"], event["remedy"], event["traceback"])


def _record(
    task: Task, place: Place, ends: _Ends, produced: Produced | None, stage: list[dict[str, Any] | None],
    broker: Usage | None, ended_ns: int,
) -> tuple[Block, Samples]:  # fmt: skip
    done = [result for result in stage if result is not None]
    lost_party = bool(ends.dead) or produced is None
    seen: Mapping[str, int] = produced.told if produced else {}
    quiet = produced is not None and task.replies and _quiet(seen, stage, task.drain_s)
    # Where a party died nothing was drained: what was under way is pending, and no transport lost it.
    gave_up = lost_party or (bool(seen.get("outstanding")) and not quiet)
    columns = produced.columns if produced else _no_messages()
    joined = join(
        # Without the producer's columns nobody knows what was sent: what arrived cannot be called unexpected.
        columns, [worker_columns(result["columns"]) for result in done if produced is not None],
        block=place.index, first_seq=task.first_seq, warmup_messages=seen.get("warmup_messages", 0),
        replies=task.replies, payload_bytes=place.payload_bytes, gave_up=gave_up,
        producers=task.producers, silent=produced.silent if produced else (),
    )  # fmt: skip
    warmup = _cut_warmup(task, joined.samples, place, seen.get("warmup_messages", 0))
    failures = [
        *ends.failures,
        *(
            Failure(party.role, "PartyError", party.dead, "the next block gets a new process")
            for party in ends.dead
        ),
        *_stage_failures(stage),
        *_producer_failures(ends),
    ]
    block = Block(
        cell=task.cell,
        index=place.index,
        round=place.round,
        started_ns=seen.get("started_ns", ended_ns),
        ended_ns=ended_ns,
        scheduled=len(joined.samples),
        offered_per_s=place.offered_per_s,
        # A message that came twice is answered twice: what both ends saw is one and the same.
        duplicated=max(joined.duplicated, seen.get("duplicated", 0)),
        reordered=joined.reordered,
        corrupted=sum(result["corrupted"] for result in done) + seen.get("malformed", 0),
        unexpected=max(joined.unexpected, seen.get("unexpected", 0)),
        wrong_replies=seen.get("wrong_replies", 0),
        checked_replies=seen.get("checked_replies", 0),
        starved=seen.get("starved", 0),
        drained=not gave_up,
        usage=_usage(seen, done, broker, len(joined.samples), warmup.messages),
        failures=tuple(failures),
        warmup_messages=warmup.messages,
        warmup_s=_due_s(joined.samples, warmup.messages),
        warmup_settled=warmup.settled,
        latency_growing=warmup.growing,
        schedule_seed=task.schedule_seed,
        level_per_s=place.level_per_s,
        foreign=sum(result["foreign"] for result in done),
        **_whereabouts(ends, stage),
    )
    return block, joined.samples


def _cut_warmup(task: Task, samples: Samples, place: Place, fixed: int) -> Warmup:
    """Mark in `samples` what was found to be warm-up, beyond the `fixed` messages that are in any case."""
    warmup = Warmup(fixed)
    if task.warmup_max_s > task.warmup_s and fixed < len(samples):
        bound_ns = int(task.warmup_max_s * 1e9)
        warmup = find_warmup(samples, fixed, bound_ns, open_loop=place.offered_per_s is not None)
    samples["warmup"][: warmup.messages] = True
    return warmup


def _due_s(samples: Samples, messages: int) -> float:
    """From the first due moment to the one that follows so many messages, or to the last."""
    if not messages or not len(samples):
        return 0.0
    at = min(messages, len(samples) - 1)
    return float(samples["due"][at] - samples["due"][0]) / 1e9


def _whereabouts(ends: _Ends, stage: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Where each process ran (by the role of the process) and what each end used (by its part)."""
    producing = [(party, report) for (party, _), report in zip(ends.producing, ends.reports, strict=True)]
    told: dict[str, tuple[str, Mapping[str, Any] | None]] = {
        **{party.role: (party.role, report) for party, report in producing},
        **{
            f"stage-{i}": (party.role, result)
            for i, ((party, _), result) in enumerate(zip(ends.workers, stage, strict=True))
        },
    }
    cores = {role: result["ran_on"] for role, result in told.values() if result}
    return {
        "ran_on": {role: core for role, core in cores.items() if core is not None},
        "paths": {part: result["path"] for part, (_, result) in told.items() if result},
    }


def _quiet(measured: Mapping[str, int], stage: Sequence[dict[str, Any] | None], drain_s: float) -> bool:
    """Nothing moved any more when the drain was given up: all workers waited, no reply came; the rest is lost."""
    if any(result is None or not result["waiting_since_ns"] for result in stage):
        return False
    waiting_ns = [result["waiting_since_ns"] for result in stage if result]
    last_moved_ns = max([measured["last_seen_ns"], *waiting_ns])
    return bool(measured["ended_ns"] - last_moved_ns >= _quiet_s(drain_s) * 1e9)


def _quiet_s(drain_s: float) -> float:
    """How long nothing may have moved before what is missing counts as lost."""
    return min(max(_QUIET_S, drain_s / 2), 0.9 * drain_s)


def _no_messages() -> Columns:
    names = ("due", "taken", "encoded", "sent", "returned", "status")
    return producer_columns(dict.fromkeys(names, b""))


def _stage_failures(stage: list[dict[str, Any] | None]) -> list[Failure]:
    return [
        Failure(f"stage-{worker}", type_, what, known["remedy"], known["traceback"], known["count"])
        for worker, result in enumerate(stage)
        if result
        for type_, what, known in result["failures"]
    ]


def _producer_failures(ends: _Ends) -> Iterator[Failure]:
    for (party, _), report in zip(ends.producing, ends.reports, strict=True):
        if report is None:
            continue
        for what, count in report["rejections"].items():
            remedy = "raise the transport's limit or lower the load"
            yield Failure(party.role, "Rejected", what, remedy, count=count)
        for what, count in report["stage_errors"].items():
            yield Failure("stage", "StageError", redact(what), "read the server's log", count=count)
        if report["source_ended"]:
            what = "the source ended before the block's schedule did"
            remedy = "loop it, shorten the block, or repeat its first messages with source.distinct"
            yield Failure(party.role, "SourceEnded", what, remedy)


def _server_times(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> ServerTimes | None:
    """What the server's counters grew by; None where it has none, or began anew in between."""
    if before is None or after is None:
        return None
    grown = {name: after[name] - before[name] for name in ("requests", "queue_ns", "compute_ns")}
    return None if min(grown.values()) < 0 or not grown["requests"] else ServerTimes(**grown)


def _usage(
    measured: Mapping[str, int],
    stage: list[dict[str, Any]],
    broker: Usage | None,
    messages: int,
    warmup: int,
) -> dict[str, Usage]:
    used: dict[str, Usage] = {}
    # Producer and stage counted from the fixed cut on; where more was cut, theirs is its share of the messages.
    counted = messages - measured["warmup_messages"] if measured else 0
    share = (messages - warmup) / counted if counted else 1.0
    if measured:
        used["producer"] = Usage(
            round(measured["cpu_ns"] * share),
            measured["peak_rss_bytes"],
            0,
            round(measured["pacing_cpu_ns"] * share),
            measured["rss_bytes"],
            round(measured["spin_ns"] * share),
        )
    if stage:
        used["stage"] = Usage(
            round(sum(result["cpu_ns"] for result in stage) * share),
            sum(result["peak_rss_bytes"] for result in stage),
            round(sum(result["integrity_ns"] for result in stage) * share),
            rss_bytes=sum(result["rss_bytes"] for result in stage),
            spin_ns=round(sum(result["spin_ns"] for result in stage) * share),
        )
    if broker and measured and messages:
        # The broker is seen from outside, warm-up included: its share of the measured messages.
        used["broker"] = replace(broker, cpu_ns=round(broker.cpu_ns * (1 - warmup / messages)))
    return used
