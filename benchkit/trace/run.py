"""A traced system as a run: the same cells, blocks and samples, so that everything that reads a run reads it.

A system that people run has no rounds of its own: each hop is a cell, and its messages are cut into up to BLOCKS
contiguous blocks of equally many (the method of batch means), so that intervals respect that neighbours depend
on each other. What a change-point test calls warm-up is cut off the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchkit.analysis.ledger import Column, end_ns
from benchkit.analysis.warmup import BOUND_SHARE, find_warmup
from benchkit.errors import RecordError
from benchkit.records.environment import environment
from benchkit.records.run import Block, Cell, Run
from benchkit.records.samples import Samples, Status
from benchkit.records.seen import Usage
from benchkit.trace import parties as taking_part
from benchkit.trace.gaps import gaps_of, nothing_joined
from benchkit.trace.host import describe
from benchkit.trace.join import Joined, hops, join
from benchkit.trace.parties import Party
from benchkit.trace.reader import Loss, Traced, by_clock, read_folder

BLOCKS: Final = 20
LEAST_IN_BLOCK: Final = 50


@dataclass(frozen=True, slots=True)
class Told:
    """What no trace knows and a person may say."""

    name: str = ""
    """Of the run; the folder's where it is empty."""
    carrier: str = "traced"
    """What carries the messages, for people."""
    broker: bool = False
    """They pass through one."""
    warmup_s: float = 0.0
    """At least so much is cut off the front."""


def run_of(folder: Path, told: Told) -> Run:
    """The run that a folder of trace files tells; raises RecordError."""
    traced, losses = read_folder(folder)
    _one_clock(folder, traced)
    begun = [each for each in traced if len(each.marks)]
    if not begun:
        raise RecordError(
            f"{len(traced) + len(losses)} trace files hold no mark" + _first(losses),
            where=str(folder),
            remedy="see that the programs call produced, received and done",
        )
    cells: list[Cell] = []
    blocks: list[Block] = []
    samples: dict[str, Samples] = {}
    for hop in hops(begun):
        joined = join(begun, hop, all_there=not losses and all(_whole(each) for each in begun))
        if not len(joined.samples):
            nothing_joined(folder, begun, hop, joined)
            continue
        cell = _cell(hop, begun, losses, joined, told)
        marked = _warm(joined.samples, told.warmup_s)
        cells.append(cell)
        samples[cell.id], own = _cut(cell, joined, marked, len(blocks), begun)
        blocks += own
    if not cells:
        raise RecordError(
            "no message can be followed", where=str(folder), remedy="trace until messages are through"
        )
    first, last = min(block.started_ns for block in blocks), max(block.ended_ns for block in blocks)
    return Run(
        started_utc=_utc(begun, first),
        duration_s=(last - first) / 1e9,
        measured_s=(last - first) / 1e9,
        seed=0,
        quick=False,
        scenario={"name": told.name or folder.resolve().name or "trace", "traced": _as_asked(told, begun)},
        environment=_environment(begun),
        floor=None,
        placement={},
        slo={},
        cells=cells,
        blocks=blocks,
        samples=samples,
        written_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _first(losses: Sequence[Loss]) -> str:
    return f"; {losses[0].file}: {losses[0].what}" if losses else ""


def _whole(each: Traced) -> bool:
    return not each.damaged and not each.missing_bytes and not each.refused


def _one_clock(folder: Path, traced: list[Traced]) -> None:
    clocks = list(by_clock(traced))
    if len(clocks) < 2:
        return
    hosts = len({each.host for each in traced})
    whose = f"{hosts} hosts" if hosts > 1 else "several boots of one host, or several time namespaces"
    each = "; ".join(f"{len(files)} such as {files[0].file}" for _, files in clocks[:4])
    raise RecordError(
        f"its traces were stamped by {len(clocks)} clocks, of {whose} ({each}): their moments cannot be compared",
        where=str(folder),
        remedy="put the files of each host and boot into a folder of their own and analyse that",
    )


def _cell(hop: int, traced: list[Traced], losses: list[Loss], joined: Joined, told: Told) -> Cell:
    sizes = joined.samples["payload_bytes"]
    mean = int(sizes.mean()) if len(sizes) else 0
    return Cell(
        id=f"{told.carrier}/traced/hop-{hop}",
        group=f"hop-{hop}",
        transport=told.carrier,
        codec="as-is",
        stage=_names(traced, joined.stages),
        source=_names(traced, joined.producers),
        load="as it came",
        parameters={},
        workers=max(1, len(joined.workers)),
        replies=bool((joined.samples["returned"] != 0).any()),
        payload_bytes=mean,
        wire_bytes=mean,
        arrival="traced",
        delivery="unknown",
        durability="unknown",
        ordering="none",
        zero_copy=False,
        lossy=False,
        path="",
        has_broker=told.broker,
        producers=max(1, len(joined.producers)),
        gaps=tuple(gaps_of(traced, losses, joined)),
    )


def _names(traced: list[Traced], members: tuple[int, ...]) -> str:
    """`worker`, or `worker, poller`: what the processes are called, each once."""
    names = dict.fromkeys(traced[at].role or traced[at].process for at in members)
    return ", ".join(list(names)[:4]) or "nobody"


def _warm(samples: Samples, fixed_s: float) -> Samples:
    """The samples with `warmup` set where latency or throughput had not settled."""
    due = samples["due"]
    fixed = int(np.searchsorted(due, due[0] + int(fixed_s * 1e9)))
    fixed = min(fixed, len(samples) - 1)
    bound_ns = int((due[-1] - due[0]) * BOUND_SHARE)
    # A live system's load changes as it likes: what never settles is no warm-up.
    samples["warmup"][: max(fixed, find_warmup(samples, fixed, bound_ns, open_loop=True).messages)] = True
    return samples


def _cut(
    cell: Cell, joined: Joined, samples: Samples, first: int, traced: list[Traced]
) -> tuple[Samples, list[Block]]:
    """The samples with their block numbers, and the blocks."""
    warm = int(np.count_nonzero(samples["warmup"]))
    count = max(1, min(BLOCKS, (len(samples) - warm) // LEAST_IN_BLOCK))
    edges = np.linspace(warm, len(samples), count + 1).astype(int)
    edges[0] = 0
    blocks = []
    who = taking_part.parties(traced, joined)
    gaps = taking_part.untold(who, joined)
    for at in range(count):
        rows = slice(int(edges[at]), int(edges[at + 1]))
        samples["block"][rows] = first + at
        block = _block(
            cell, first + at, at, samples[rows], _shares(samples[rows], joined.made_by[rows], joined, who)
        )
        again = joined.counted.received_again if at == 0 else 0
        blocks.append(replace(block, duplicated=again, gaps={**block.gaps, **gaps}))
    return samples, blocks


def _shares(samples: Samples, made_by: Column, joined: Joined, who: Sequence[Party]) -> dict[Party, int]:
    """How many of the delivered messages each party produced or worked on."""
    counted = (samples["status"] == Status.DELIVERED) & ~samples["warmup"]
    processes = np.array([process for process, _ in joined.workers] or [-1], np.int64)
    worked_by = np.where(samples["worker"] < 0, -1, processes[samples["worker"]])
    return {
        party: int(
            np.count_nonzero(
                counted & ((made_by if party.role == "producer" else worked_by) == party.process)
            )
        )
        for party in who
    }


def _block(cell: Cell, index: int, number: int, samples: Samples, who: Mapping[Party, int]) -> Block:
    measured = samples[~samples["warmup"]]
    ends = np.maximum(end_ns(lambda name: measured[name]), measured["due"])
    begin, end = int(measured["due"][0]), int(ends.max())
    own: dict[Party, Usage] = {}
    for party, messages in who.items():
        used = taking_part.usage(party, begin, end, messages or None)
        if used is not None:
            own[party] = used
    roles = {role: taking_part.together(own, role) for role in ("producer", "stage")}
    events = [event for party in who for event in taking_part.pauses(party, begin, end)]
    warm = int(np.count_nonzero(samples["warmup"]))
    return Block(
        cell=cell.id,
        index=index,
        round=number,
        started_ns=int(samples["due"][0]),
        ended_ns=end,
        scheduled=len(samples),
        offered_per_s=None,
        usage={role: used for role, used in roles.items() if used is not None},
        warmup_messages=warm,
        warmup_s=(begin - int(samples["due"][0])) / 1e9 if warm else 0.0,
        parties={party.name: used for party, used in own.items()},
        events=tuple(sorted(events, key=lambda event: event.at_ns)),
        gaps={
            party.name: "its trace has no reading of what it used in this stretch"
            for party in who
            if party not in own
        },
    )


def _as_asked(told: Told, traced: list[Traced]) -> dict[str, Any]:
    return {
        "carrier": told.carrier,
        "broker": told.broker,
        "processes": [
            {
                "file": each.file,
                "process": each.process,
                "role": each.role,
                "marks": each.made,
                "ended": bool(each.ended_ns),
            }
            for each in traced[:64]
        ],
    }


def _utc(traced: list[Traced], at_ns: int) -> str:
    one = traced[0]
    moment = (one.started_utc_ns + at_ns - one.started_ns) / 1e9
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC).isoformat(timespec="seconds")


def _environment(traced: list[Traced]) -> dict[str, Any]:
    """This machine's, where it is the one that was traced."""
    here, there = describe(""), traced[0]
    if (here["host"], here["boot"]) == (there.host, there.boot):
        return environment()
    return {
        "fingerprint": f"traced-{there.host}",
        "warnings": ["traced on another machine, or before its last boot: what it was made of is not known"],
    }
