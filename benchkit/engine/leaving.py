"""What a block leaves behind: its samples, and its record with failures, cost and what was cut as warm-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchkit.analysis.hops import folded
from benchkit.analysis.warmup import Warmup, find_warmup
from benchkit.engine import chain
from benchkit.engine.chain_join import join_chain
from benchkit.engine.fan_in import Produced
from benchkit.engine.join import Columns, Joined, join, producer_columns, worker_columns
from benchkit.engine.outside import Seen
from benchkit.engine.parties import accounts
from benchkit.engine.task import Task
from benchkit.engine.traffic import discard, traffic_of
from benchkit.engine.underway import Ends, Place, quiet_s, stage_failure
from benchkit.engine.waiting import count_busy_alone
from benchkit.records.run import Block, Failure
from benchkit.records.samples import Samples
from benchkit.records.seen import ServerTimes, Usage
from benchkit.scenario.redact import redact


def record(
    task: Task, place: Place, ends: Ends, produced: Produced | None, stage: list[dict[str, Any] | None],
    outside: Seen, ended_ns: int,
) -> tuple[Block, Samples]:  # fmt: skip
    """The block and its samples, shape (n,), dtype SAMPLE; `produced` is None where no producer reports."""
    done = [result for result in stage if result is not None]
    lost_party = bool(ends.dead) or produced is None
    seen: Mapping[str, int] = produced.told if produced else {}
    quiet = produced is not None and task.replies and _quiet(seen, stage, task.drain_s)
    # Where a party died nothing was drained: what was under way is pending, and no transport lost it.
    gave_up = lost_party or (bool(seen.get("outstanding")) and not quiet)
    joined = _joined(task, place, produced, stage, gave_up=gave_up)
    if task.led:
        _count_busy_alone(joined.samples)
    discarded = discard(joined.samples, produced.discarded if produced else {})
    samples, warmup = _warm(task, place, joined.samples, seen.get("warmup_messages", 0))
    block = Block(
        cell=task.cell,
        index=place.index,
        round=place.round,
        started_ns=seen.get("started_ns", ended_ns),
        ended_ns=ended_ns,
        scheduled=len(samples),
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
        usage=used(seen, done, outside.broker, len(samples), warmup.messages),
        failures=_failures(ends, stage),
        warmup_messages=warmup.messages,
        warmup_s=due_s(samples, warmup.messages),
        warmup_settled=warmup.settled,
        latency_growing=warmup.growing,
        schedule_seed=task.schedule_seed,
        level_per_s=place.level_per_s,
        foreign=sum(result["foreign"] for result in done),
        traffic=traffic_of(produced, samples, discarded),
        told={
            label: facts
            for label, result in zip(ends.labels, stage, strict=True)
            if result and (facts := result["told"])
        },
        handled=None
        if len(done) < len(stage) or not stage or len(ends.levels) > 1
        else sum(result["handled"] for result in done),
        **_whereabouts(ends, stage),
        **accounts(
            ends.reports, dict(zip(ends.labels, stage, strict=True)), outside, produced, len(samples),
            replies=task.replies,
        ),
    )  # fmt: skip
    return block, joined.samples


def _failures(ends: Ends, stage: list[dict[str, Any] | None]) -> tuple[Failure, ...]:
    again = "the next block gets a new process"
    return (
        *ends.failures,
        *(Failure(party.role, "PartyError", party.dead, again) for party in ends.dead),
        *_stage_failures(ends.labels, stage),
        *_producer_failures(ends),
    )


def _joined(
    task: Task,
    place: Place,
    produced: Produced | None,
    stage: Sequence[Mapping[str, Any] | None],
    *,
    gave_up: bool,
) -> Joined:
    """One row a message, or of a pipeline one for each of its hops."""
    told: dict[str, Any] = {
        "block": place.index, "first_seq": task.first_seq, "payload_bytes": place.payload_bytes, "gave_up": gave_up,
        "warmup_messages": produced.told["warmup_messages"] if produced else 0, "producers": task.producers,
        "silent": produced.silent if produced else (),
    }  # fmt: skip
    columns = produced.columns if produced else _no_messages()
    # Without the producer's columns nobody knows what was sent: what arrived cannot be called unexpected.
    known = stage if produced is not None else [None] * len(stage)
    if not task.chain:
        workers = [worker_columns(result["columns"]) for result in known if result is not None]
        return join(columns, workers, replies=task.replies, **told)
    hops = [
        [result for at in level if (result := known[at]) is not None]
        for level in chain.levels(task, len(known))
    ]
    names = [hop["name"] for hop in task.chain]
    return join_chain(columns, hops, names, chain.afters(task), **told)


def _count_busy_alone(rows: Samples) -> None:
    """Of the first hop alone: a link lies before no other."""
    first = rows["hop"] == 0
    own = rows[first]
    count_busy_alone(own)
    rows[first] = own


def _warm(task: Task, place: Place, rows: Samples, fixed: int) -> tuple[Samples, Warmup]:
    """One row for each message, and what of them is warm-up; a pipeline's rows are marked alike."""
    samples = folded(rows, chain.afters(task)) if task.chain else rows
    warmup = cut_warmup(task, samples, place, fixed)
    if task.chain:
        rows["warmup"] = np.isin(rows["seq"], samples["seq"][samples["warmup"]])
    return samples, warmup


def cut_warmup(task: Task, samples: Samples, place: Place, fixed: int) -> Warmup:
    """Mark in `samples` what was found to be warm-up, beyond the `fixed` messages that are in any case."""
    warmup = Warmup(fixed)
    if task.warmup_max_s > task.warmup_s and fixed < len(samples):
        bound_ns = int(task.warmup_max_s * 1e9)
        warmup = find_warmup(samples, fixed, bound_ns, open_loop=place.offered_per_s is not None)
    samples["warmup"][: warmup.messages] = True
    return warmup


def due_s(samples: Samples, messages: int) -> float:
    """From the first due moment to the one that follows so many messages, or to the last."""
    if not messages or not len(samples):
        return 0.0
    at = min(messages, len(samples) - 1)
    return float(samples["due"][at] - samples["due"][0]) / 1e9


def _whereabouts(ends: Ends, stage: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Where each process ran (by the role of the process), what each end used and counted (by its part)."""
    producing = [(party, report) for (party, _), report in zip(ends.producing, ends.reports, strict=True)]
    told: dict[str, tuple[str, Mapping[str, Any] | None]] = {
        **{party.role: (party.role, report) for party, report in producing},
        **{
            label: (party.role, result)
            for label, (party, _), result in zip(ends.labels, ends.workers, stage, strict=True)
        },
    }
    cores = {role: result["ran_on"] for role, result in told.values() if result}
    return {
        "ran_on": {role: core for role, core in cores.items() if core is not None},
        "paths": {
            **{part: result["path"] for part, (_, result) in told.items() if result},
            **{
                way_label(part, name): path
                for part, (_, result) in told.items()
                for name, path in (result or {}).get("onward_paths", {}).items()
            },
        },
        "counts": _counts(ends),
    }


def _counts(ends: Ends) -> dict[str, dict[str, int]]:
    """What ends of the transport counted of themselves, of those that count."""
    named = [(party.role, party, number) for party, number in ends.producing]
    named += [
        (label, party, number) for label, (party, number) in zip(ends.labels, ends.workers, strict=True)
    ]
    events = {part: party.event(number, "counted") for part, party, number in named}
    return {part: event["counts"] for part, event in events.items() if event and event["counts"]}


def way_label(part: str, name: str) -> str:
    """The end of a worker that sends on: `decode-0 to detect`."""
    return f"{part} to {name}"


def _quiet(measured: Mapping[str, int], stage: Sequence[dict[str, Any] | None], drain_s: float) -> bool:
    """Nothing moved any more when the drain was given up: all workers waited, no reply came; the rest is lost."""
    if any(result is None or not result["waiting_since_ns"] for result in stage):
        return False
    waiting_ns = [result["waiting_since_ns"] for result in stage if result]
    last_moved_ns = max([measured["last_seen_ns"], *waiting_ns])
    return bool(measured["ended_ns"] - last_moved_ns >= quiet_s(drain_s) * 1e9)


def _no_messages() -> Columns:
    names = ("due", "taken", "encoded", "sent", "returned", "status")
    return producer_columns(dict.fromkeys(names, b""))


def _stage_failures(labels: Sequence[str], stage: list[dict[str, Any] | None]) -> list[Failure]:
    return [
        Failure(stage_failure(label), type_, what, known["remedy"], known["traceback"], known["count"])
        for label, result in zip(labels, stage, strict=True)
        if result
        for type_, what, known in result["failures"]
    ]


def _producer_failures(ends: Ends) -> Iterator[Failure]:
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


def server_times(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> ServerTimes | None:
    """What the server's counters grew by; None where it has none, or began anew in between."""
    if before is None or after is None:
        return None
    grown = {name: after[name] - before[name] for name in ("requests", "queue_ns", "compute_ns")}
    return None if min(grown.values()) < 0 or not grown["requests"] else ServerTimes(**grown)


def used(
    measured: Mapping[str, int],
    stage: list[dict[str, Any]],
    broker: Usage | None,
    messages: int,
    warmup: int,
) -> dict[str, Usage]:
    """By role, of the messages that count: the first `warmup` of all `messages` are left out."""
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
        counted_ns = round(broker.cpu_ns * (1 - warmup / messages))
        used["broker"] = Usage(counted_ns, broker.peak_rss_bytes, rss_bytes=broker.rss_bytes)
    return used
