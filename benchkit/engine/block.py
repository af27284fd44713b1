"""One block: receivers open, the sender opens, messages flow, everything drains, the ends close."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchkit.engine import fan_in
from benchkit.engine.crew import Crew, reported
from benchkit.engine.fan_in import Produced
from benchkit.engine.leaving import record, server_times
from benchkit.engine.outside import Outside
from benchkit.engine.task import Task
from benchkit.engine.underway import Ends, Place, failure_of, quiet_s
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
    stage_task, producing = task.of_side("stage").plain(), task.of_side("producer")
    try:
        for number, party in enumerate(workers):
            ends.workers.append((party, party.post("serve", task=stage_task, worker=number)))
        _await_ready(crew, ends)
        counted = place.server_times()
        with Outside(place.broker_pid, place.broker_counts) as outside:
            for number, party in enumerate(ends.hands):
                ends.producing.append(
                    (party, party.post("produce", task=fan_in.part(producing, number).plain()))
                )
            if task.producers > 1:
                _start_together(crew, ends)
            produced = _await_measured(crew, ends, task)
            if produced is not None and not task.replies and not ends.dead:
                _await_quiet(crew, ends, _handed_over(produced), task.drain_s)
            gave_up = produced is None or bool(produced.told["outstanding"])
            stage = _stop_workers(crew, ends, "now" if gave_up else "drain")
            ended_ns = time.monotonic_ns()
            seen = outside.seen()
        server = server_times(counted, place.server_times())
        _close_producers(crew, ends)
        if profiles is not None:
            profiles.update(_profiles(ends))
        block, samples = record(task, place, ends, produced, stage, seen, ended_ns)
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
    return any(party.dead or party.event(n, "done", "failed") for party, n in ends.workers) or any(
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


def _await_quiet(crew: Crew, ends: Ends, sent: int, drain_s: float) -> None:
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
        elif time.monotonic() - since > quiet_s(drain_s):
            return
        crew.pump(0.01)


def _stop_workers(crew: Crew, ends: Ends, how: str) -> list[dict[str, Any] | None]:
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
            ends.failures.append(failure_of(f"stage-{worker}", failed))
        if result is None and not failed and not party.dead:
            crew.dismiss(party.role)
            party.dead = f"no answer {_MARGIN_S:.0f} s after it was told to stop"
        results.append(result)
    return results


def _close_producers(crew: Crew, ends: Ends) -> None:
    for party, number in ends.producing:
        party.tell("close", of=number)
    crew.wait(
        lambda: all(party.dead or party.event(n, "done", "failed") for party, n in ends.producing), _MARGIN_S
    )


def _profiles(ends: Ends) -> dict[str, dict[str, Any]]:
    told = {
        **{(party.role, n): party for party, n in ends.producing},
        **{(f"stage-{i}", n): p for i, (p, n) in enumerate(ends.workers)},
    }
    events = {role: (party, party.event(number, "profile")) for (role, number), party in told.items()}
    gone = "it ended before it told what its profiler saw"
    return {role: event or {"gap": party.dead or gone} for role, (party, event) in events.items()}
