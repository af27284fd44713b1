"""One block: receivers open, the sender opens, messages flow, everything drains, the ends close."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchkit.engine import chain, fan_in
from benchkit.engine.crew import Crew, Party, reported
from benchkit.engine.fan_in import Produced
from benchkit.engine.leaving import record, server_times
from benchkit.engine.outside import Outside
from benchkit.engine.task import Task
from benchkit.engine.underway import Ends, Place, failure_of, quiet_s, stage_failure
from benchkit.errors import BenchkitError, PartyError
from benchkit.records.run import Block
from benchkit.records.samples import Samples

_OPEN_S = 30.0
_MARGIN_S = 20.0
"""A party that is this much over its time is given up."""


def run_block(
    crew: Crew,
    task: Task,
    place: Place,
    hosts: Sequence[str],
    profiles: dict[str, dict[str, Any]] | None = None,
) -> tuple[Block, Samples]:
    """Measure one block; raises BenchkitError only when an end could not even open.

    `profiles` is filled with what the parties of a profiled block tell, by role; see `engine.profile`.
    """
    workers = [crew.get(role) for role in hosts]
    ends = Ends([crew.get(role) for role in fan_in.roles(task.producers)], [])
    ends.labels, ends.levels = chain.labels(task, len(workers)), chain.levels(task, len(workers))
    producing = replace(task.of_side("producer"), chain=())
    try:
        _open_workers(crew, ends, task, workers)
        counted = place.server_times()
        with Outside(place.broker_pid, place.broker_counts) as outside, place.watching(crew, ends):
            for number, party in enumerate(ends.hands):
                ends.producing.append(
                    (party, party.post("produce", task=fan_in.part(producing, number).plain()))
                )
            if task.producers > 1:
                _start_together(crew, ends)
            produced = _await_measured(crew, ends, task)
            if produced is not None and not task.replies and not ends.dead:
                _await_quiet(crew, ends, chain.afters(task), _handed_over(produced), task.drain_s)
            gave_up = produced is None or bool(produced.told["outstanding"])
            # Whoever sends to a stage that is gone would wait for room for ever.
            gave_up |= bool(task.chain) and _broken(ends)
            stage = _stop_workers(crew, ends, "now" if gave_up else "drain")
            ended_ns = time.monotonic_ns()
            seen = outside.seen()
        server = server_times(counted, place.server_times())
        _close_producers(crew, ends)
        _close_workers(crew, ends, task)
        if profiles is not None:
            profiles.update(_profiles(ends))
        block, samples = record(task, place, ends, produced, stage, seen, ended_ns)
        return replace(block, server=server), samples
    except BenchkitError:
        # Nobody may go on with a block that is over: its transport is taken down next.
        _stop_producers(ends)
        _stop_workers(crew, ends, "now")
        _close_producers(crew, ends)
        _close_workers(crew, ends, task)
        raise
    finally:
        for party, number in [*ends.producing, *ends.workers]:
            party.forget(number)


def _open_workers(crew: Crew, ends: Ends, task: Task, workers: Sequence[Party]) -> None:
    """The last stage first: whoever sends finds its receivers open."""
    told: list[tuple[Party, int]] = []
    for hop, level in reversed(list(enumerate(ends.levels))):
        plain = chain.of_hop(task, hop).plain()
        opening = [
            (workers[at], workers[at].post("serve", task=plain, worker=number))
            for number, at in enumerate(level)
        ]
        told = [*opening, *told]
        ends.workers = told
        _await_ready(crew, ends)


def _handed_over(produced: Produced) -> int:
    """How many messages the producers handed over; what was rejected reaches no worker."""
    columns = produced.columns
    return int(((columns["sent"] != 0) & (columns["status"] == 0)).sum())


def _await_ready(crew: Crew, ends: Ends) -> None:
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


def _start_together(crew: Crew, ends: Ends) -> None:
    """Several producers begin the one schedule at one moment; one that has died or failed by now is seen later."""
    crew.wait(
        lambda: all(party.dead or party.event(n, "ready", "failed") for party, n in ends.producing), _OPEN_S
    )
    start_ns = time.monotonic_ns() + fan_in.START_LEAD_NS
    for party, number in ends.producing:
        party.tell("start", of=number, start_ns=start_ns)


def _await_measured(crew: Crew, ends: Ends, task: Task) -> Produced | None:
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
                ends.failures.append(failure_of(party.role, measured["error"]))
        elif failed:
            raise reported(failed, party.role)
        elif not party.dead:
            crew.dismiss(party.role)
            party.dead = f"no answer {_MARGIN_S:.0f} s after the block's end"
    return fan_in.together(ends.reports, task)


def _broken(ends: Ends) -> bool:
    """A party is gone or gave up: what the others still sent would be in vain."""
    return any(party.dead or party.event(n, "served", "done", "failed") for party, n in ends.workers) or any(
        party.dead or party.event(n, "failed") or (party.event(n, "measured") or {}).get("error")
        for party, n in ends.producing
    )


def _stop_producers(ends: Ends) -> None:
    for party, number in ends.producing:
        party.tell("stop", of=number, how="now")


def _let_go(ends: Ends) -> None:
    """Workers that were held back begin; also where the block is over before anything was handed over."""
    for party, number in ends.workers:
        party.tell("go", of=number)


def _await_quiet(crew: Crew, ends: Ends, afters: Sequence[int], sent: int, drain_s: float) -> None:
    """Without replies: until the workers have handled everything, or get no further; hop after hop."""
    until = time.monotonic() + drain_s
    handed: list[int] = []
    for level, after in zip(ends.levels, afters, strict=True):
        wanted = sent if after < 0 else handed[after]
        done = _level_quiet(crew, ends, level, wanted, until, drain_s)
        if done is None:
            return
        handed.append(done)


def _level_quiet(
    crew: Crew, ends: Ends, level: range, wanted: int, until: float, drain_s: float
) -> int | None:
    """How many messages these workers handed on; None where one of them is gone."""
    seen, since, handed = -1, time.monotonic(), 0
    while not ends.dead:
        try:
            told = [
                crew.ask(party, "progress", _OPEN_S, of=number)
                for party, number in (ends.workers[at] for at in level)
            ]
        except PartyError:
            # It died or hangs: noticed where its columns are awaited; the others' are kept.
            return None
        done, handed = sum(each["progress"] for each in told), sum(each["handed"] for each in told)
        if done >= wanted or time.monotonic() >= until:
            return handed
        if done != seen:
            seen, since = done, time.monotonic()
        elif time.monotonic() - since > quiet_s(drain_s):
            return handed
        crew.pump(0.01)
    return None


def _stop_workers(crew: Crew, ends: Ends, how: str) -> list[dict[str, Any] | None]:
    """Each worker's columns, None for one that died."""
    # One level after the other: what a stage still hands on is taken in by the next one. "now" is for all at once.
    levels = ends.levels if how == "drain" else [range(len(ends.workers))]
    for level in levels:
        _stop_level(crew, ends, level, how)
    results: list[dict[str, Any] | None] = []
    for worker, (party, number) in enumerate(ends.workers):
        result = party.event(number, "served")
        failed = party.event(number, "failed") or (result or {}).get("error")
        if failed:
            # By its part, not by its process: within one process that is the producer's.
            ends.failures.append(failure_of(stage_failure(ends.labels[worker]), failed))
        if result is None and not failed and not party.dead:
            crew.dismiss(party.role)
            party.dead = f"no answer {_MARGIN_S:.0f} s after it was told to stop"
        results.append(result)
    return results


def _stop_level(crew: Crew, ends: Ends, level: range, how: str) -> None:
    """Workers that depend on nobody's being emptied any more; where somebody is gone, nobody waits."""
    own = [ends.workers[at] for at in level if at < len(ends.workers)]
    for party, number in own:
        party.tell("stop", of=number, how=how)
    _let_go(ends)
    hurried = False
    # Who sends on has told all it knows before it closes its ends.
    over = ("served", "done", "failed") if len(ends.levels) > 1 else ("done", "failed")

    def settled() -> bool:
        nonlocal hurried
        if not hurried and len(ends.levels) > 1 and ends.dead:
            hurried = True
            for party, number in own:
                party.tell("stop", of=number, how="now")
        return all(party.dead or party.event(n, *over) for party, n in own)

    crew.wait(settled, _MARGIN_S)


def _close_workers(crew: Crew, ends: Ends, task: Task) -> None:
    """Of a pipeline: who sends keeps its end open until everybody is done."""
    if not task.chain:
        return
    for party, number in ends.workers:
        party.tell("close", of=number)
    crew.wait(
        lambda: all(party.dead or party.event(n, "done", "failed") for party, n in ends.workers), _MARGIN_S
    )


def _close_producers(crew: Crew, ends: Ends) -> None:
    for party, number in ends.producing:
        party.tell("close", of=number)
    crew.wait(
        lambda: all(party.dead or party.event(n, "done", "failed") for party, n in ends.producing), _MARGIN_S
    )


def _profiles(ends: Ends) -> dict[str, dict[str, Any]]:
    told = {
        **{(party.role, n): party for party, n in ends.producing},
        **{(label, n): p for label, (p, n) in zip(ends.labels, ends.workers, strict=True)},
    }
    events = {role: (party, party.event(number, "profile")) for (role, number), party in told.items()}
    gone = "it ended before it told what its profiler saw"
    return {role: event or {"gap": party.dead or gone} for role, (party, event) in events.items()}
