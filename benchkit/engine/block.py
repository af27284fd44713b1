"""One block: receivers open, the sender opens, messages flow, everything drains, the ends close."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchkit.engine import usage
from benchkit.engine.crew import Crew, Party, reported
from benchkit.engine.join import Columns, join, producer_columns, worker_columns
from benchkit.engine.task import Task
from benchkit.errors import BenchkitError, PartyError
from benchkit.records.run import Block, Failure, Usage
from benchkit.records.samples import Samples

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


@dataclass(slots=True)
class _Ends:
    """The commands under way in this block."""

    producer: Party
    producing: int
    workers: list[tuple[Party, int]]
    failures: list[Failure] = field(default_factory=list)

    @property
    def dead(self) -> list[Party]:
        return [
            party
            for party in dict.fromkeys([self.producer, *(party for party, _ in self.workers)])
            if party.dead
        ]


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
    ends = _Ends(crew.get("producer"), 0, [])
    plain = task.plain()
    try:
        for number, party in enumerate(workers):
            ends.workers.append((party, party.post("serve", task=plain, worker=number)))
        _await_ready(crew, ends)
        broker = _Broker(place.broker_pid)
        ends.producing = ends.producer.post("produce", task=plain)
        measured = _await_measured(crew, ends, task)
        if measured is not None and not task.replies and not ends.dead:
            _await_quiet(crew, ends, _handed_over(measured), task.drain_s)
        gave_up = measured is None or bool(measured["outstanding"])
        stage = _stop_workers(crew, ends, "now" if gave_up else "drain")
        broker_usage = broker.used()
        ended_ns = time.monotonic_ns()
        _close_producer(crew, ends)
        if profiles is not None:
            profiles.update(_profiles(ends))
    except BenchkitError:
        # No worker may go on serving a block that is over: its transport is taken down next.
        _stop_workers(crew, ends, "now")
        raise
    finally:
        for party, number in [(ends.producer, ends.producing), *ends.workers]:
            party.forget(number)
    return _record(task, place, ends, measured, stage, broker_usage, ended_ns)


def _handed_over(measured: Mapping[str, Any]) -> int:
    """How many messages the producer handed over; what was rejected reaches no worker."""
    columns = producer_columns(measured["columns"])
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


def _await_measured(crew: Crew, ends: _Ends, task: Task) -> dict[str, Any] | None:
    """The producer's columns; None when it died or failed. Stops early when a worker is gone or gave up."""
    producer, number = ends.producer, ends.producing
    limit_s = task.warmup_s + task.duration_s + task.drain_s + _MARGIN_S
    told = False

    def settled() -> bool:
        nonlocal told
        if not told and any(party.dead or party.event(n, "done", "failed") for party, n in ends.workers):
            told = True
            producer.tell("stop", of=number, how="now")
        return bool(producer.dead or producer.event(number, "measured", "failed"))

    crew.wait(settled, limit_s)
    measured = producer.event(number, "measured")
    if measured is not None:
        if measured["error"]:
            ends.failures.append(_failure("producer", measured["error"]))
        return measured
    failed = producer.event(number, "failed")
    if failed:
        raise reported(failed, "producer")
    if not producer.dead:
        crew.dismiss("producer")
        producer.dead = f"no answer {_MARGIN_S:.0f} s after the block's end"
    return None


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


def _close_producer(crew: Crew, ends: _Ends) -> None:
    producer, number = ends.producer, ends.producing
    if not producer.dead:
        producer.tell("close", of=number)
        crew.wait(lambda: bool(producer.dead or producer.event(number, "done", "failed")), _MARGIN_S)


def _profiles(ends: _Ends) -> dict[str, dict[str, str]]:
    told = {
        ("producer", ends.producing): ends.producer,
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
    task: Task, place: Place, ends: _Ends, measured: dict[str, Any] | None, stage: list[dict[str, Any] | None],
    broker: Usage | None, ended_ns: int,
) -> tuple[Block, Samples]:  # fmt: skip
    done = [result for result in stage if result is not None]
    lost_party = bool(ends.dead) or measured is None
    quiet = measured is not None and task.replies and _quiet(measured, stage, task.drain_s)
    # Where a party died nothing was drained: what was under way is pending, and no transport lost it.
    gave_up = lost_party or (bool(measured and measured["outstanding"]) and not quiet)
    columns = producer_columns(measured["columns"]) if measured else _no_messages()
    joined = join(
        # Without the producer's columns nobody knows what was sent: what arrived cannot be called unexpected.
        columns, [worker_columns(result["columns"]) for result in done if measured is not None],
        block=place.index, first_seq=task.first_seq, warmup_messages=measured["warmup_messages"] if measured else 0,
        replies=task.replies, payload_bytes=place.payload_bytes, gave_up=gave_up,
    )  # fmt: skip
    failures = [
        *ends.failures,
        *(
            Failure(party.role, "PartyError", party.dead, "the next block gets a new process")
            for party in ends.dead
        ),
        *_stage_failures(stage),
        *_rejections(measured),
        *_source_ended(measured),
    ]
    seen: Mapping[str, Any] = measured or {}
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
        usage=_usage(measured, done, broker, len(joined.samples)),
        failures=tuple(failures),
        warmup_messages=seen.get("warmup_messages", 0),
    )
    return block, joined.samples


def _quiet(measured: Mapping[str, Any], stage: Sequence[dict[str, Any] | None], drain_s: float) -> bool:
    """Nothing moved any more when the drain was given up: all workers waited, no reply came; the rest is lost."""
    if any(result is None or not result["waiting_since_ns"] for result in stage):
        return False
    last_moved_ns = max(measured["last_seen_ns"], *(result["waiting_since_ns"] for result in stage if result))
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


def _rejections(measured: Mapping[str, Any] | None) -> list[Failure]:
    if not measured:
        return []
    return [
        Failure("producer", "Rejected", what, "raise the transport's limit or lower the load", count=count)
        for what, count in measured["rejections"].items()
    ]


def _source_ended(measured: Mapping[str, Any] | None) -> list[Failure]:
    if not measured or not measured["source_ended"]:
        return []
    remedy = "loop it, shorten the block, or repeat its first messages with source.distinct"
    return [Failure("producer", "SourceEnded", "the source ended before the block's schedule did", remedy)]


def _usage(
    measured: dict[str, Any] | None, stage: list[dict[str, Any]], broker: Usage | None, messages: int
) -> dict[str, Usage]:
    used: dict[str, Usage] = {}
    if measured:
        used["producer"] = Usage(
            measured["cpu_ns"],
            measured["peak_rss_bytes"],
            0,
            measured["pacing_cpu_ns"],
            measured["rss_bytes"],
        )
    if stage:
        used["stage"] = Usage(
            sum(result["cpu_ns"] for result in stage),
            sum(result["peak_rss_bytes"] for result in stage),
            sum(result["integrity_ns"] for result in stage),
            rss_bytes=sum(result["rss_bytes"] for result in stage),
        )
    if broker and measured and messages:
        # The broker is seen from outside, warm-up included: its share of the measured messages.
        share = 1 - measured["warmup_messages"] / messages
        used["broker"] = replace(broker, cpu_ns=round(broker.cpu_ns * share))
    return used
