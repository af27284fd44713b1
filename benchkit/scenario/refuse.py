"""Combinations that cannot be measured, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from benchkit.load.base import ClosedArrival
from benchkit.load.search import Capacity
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import BlockOptions, Choice
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import seen_from, show
from benchkit.tensors.codecs.base import Codec
from benchkit.transports.base import Transport
from benchkit.units import show_seconds


def refuse(found: Sequence[Cell], blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    """Note what makes any of the cells impossible."""
    if blocks.warmup >= blocks.duration:
        problems.add(
            blocks_at,
            f"a warm-up of {blocks.warmup:g} s is not shorter than the {blocks.duration:g} s measured",
            "lower blocks.warmup or raise blocks.duration",
        )
    _soak(found, blocks, blocks_at, problems)
    _warmup_max(blocks, blocks_at, problems)
    seen: set[int] = set()
    for cell in found:
        _closed(cell, problems)
        _workers(cell, problems)
        _batch(cell, problems)
        _external(cell, problems)
        _in_place(cell, problems)
        for axis in ("source", "stage"):
            choice = cell.choices[axis]
            if id(choice) not in seen:
                seen.add(id(choice))
                missing_files(choice, problems)


def _warmup_max(blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    longest = blocks.longest_warmup_s
    if longest < blocks.warmup:
        what = f"warmup_max of {longest:g} s is shorter than the {blocks.warmup:g} s that are always cut"
        problems.add(
            blocks_at, what, f"blocks.warmup_max: {blocks.warmup:g}s (nothing more is looked for) or more"
        )
    elif longest > blocks.warmup + blocks.duration / 2:
        what = f"warmup_max of {longest:g} s would leave less than half of the {blocks.duration:g} s measured"
        most = blocks.warmup + blocks.duration / 2
        problems.add(blocks_at, what, f"blocks.warmup_max: {most:g}s, or a longer blocks.duration")


def _soak(found: Sequence[Cell], blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    """A soak holds a round at least, every cell once, and ends by the clock, which no search does."""
    if blocks.soak is None:
        return
    for cell in found:
        if isinstance(cell.choices["load"].value, Capacity):
            problems.add(
                cell.choices["load"].where,
                "a search ends when it has found its answer, a soak when its time is up",
                "leave blocks.soak out, or give the load a rate",
            )
    count, round_s = len(found), len(found) * (blocks.warmup + blocks.duration)
    if blocks.soak < round_s:
        problems.add(
            blocks_at,
            f"a soak of {show_seconds(blocks.soak)} has no room for one block of each of {count} cell(s)",
            f"blocks.soak: {math.ceil(round_s)}s or more, or shorter blocks (blocks.duration)",
        )


def _closed(cell: Cell, problems: Problems) -> None:
    if _option(cell, "pipeline", "pipeline"):
        return
    if isinstance(cell.choices["load"].value, ClosedArrival) and not _option(cell, "replies", "replies"):
        problems.add(
            cell.choices["load"].where,
            "a closed loop needs replies: without them nobody knows when a place comes free",
            "replies: true, or an open arrival such as constant",
        )


def _workers(cell: Cell, problems: Problems) -> None:
    choice = cell.choices["transport"]
    workers = _option(cell, "workers", "workers")
    if workers > 1 and cast("Transport", choice.value).capabilities().same_process:
        problems.add(
            _place(cell.choices["workers"], "workers"),
            f"{workers} workers cannot share the one process of transport {choice.kind}",
            f"workers: 1, or exclude: [{{transport: {choice.kind}, workers: {workers}}}]",
        )


def _batch(cell: Cell, problems: Problems) -> None:
    """A batch that can never fill waits its whole delay each time: that measures the delay."""
    size, load = _option(cell, "batch", "size"), cell.choices["load"].value
    transport = cast("Transport", cell.choices["transport"].value)
    where = _place(cell.choices["batch"], "size")
    if size > transport.depth:
        problems.add(
            where,
            f"a batch of {size} can never fill: transport {transport.kind} holds {transport.depth} messages",
            f"transport.depth: {size}, or batch.size: {transport.depth}",
        )
    if isinstance(load, ClosedArrival) and size > load.places:
        problems.add(
            where,
            f"a batch of {size} can never fill: {load.places} in flight ({load.label()})",
            f"load.in_flight: {size}, or batch.size: {load.places}",
        )


def _external(cell: Cell, problems: Problems) -> None:
    """A server of somebody else's takes tensors alone, answers each, and has its own workers and batches."""
    choice = cell.choices["transport"]
    if not cast("Transport", choice.value).capabilities().external_stage:
        return
    codec = cell.choices["codec"]
    if codec.kind != "raw":
        problems.add(
            codec.where,
            f"a server as the stage takes tensors, not what codec {codec.kind} makes",
            "codec: raw",
        )
    load = cell.choices["load"]
    if load.kind == "backlog":
        problems.add(load.where, "a server cannot be held back until its queue is full", "find: capacity")
    for axis, option, wanted, why in (
        ("replies", "replies", True, "its reply is all that shows that a server took a message"),
        ("workers", "workers", 1, "a server decides by itself how many work"),
        ("batch", "size", 1, "a server decides by itself what it batches"),
    ):
        if _option(cell, axis, option) != wanted:
            name = axis if axis == option else f"{axis}.{option}"
            fix = f"{name}: {str(wanted).lower()}"
            problems.add(
                _place(cell.choices[axis], option), f"{why} (transport {choice.kind} with a url)", fix
            )


def _in_place(cell: Cell, problems: Problems) -> None:
    """Messages that shall stand where they are sent from must be there before, each in a place of its own."""
    choice, transport = cell.choices["transport"], cast("Transport", cell.choices["transport"].value)
    if not transport.capabilities().in_place:
        return
    where = _place(choice, "loan")
    codec, distinct = cell.choices["codec"], _option(cell, "source", "distinct")
    if not cast("Codec", codec.value).in_place:
        problems.add(
            where,
            f"codec {codec.kind} makes other bytes than the arrays': they cannot stand in the slots beforehand",
            "codec: raw, or loan: false",
        )
    if not 1 <= distinct <= transport.depth:
        made = f"{distinct} messages" if distinct else "messages that are made anew"
        problems.add(
            where,
            f"{made} cannot stand in {transport.depth} slots beforehand",
            f"source.distinct: {transport.depth} or less, a larger transport.depth, or loan: false",
        )


def _option(cell: Cell, axis: str, name: str) -> Any:
    return getattr(cell.choices[axis].value, name)


def _place(choice: Choice, option: str) -> Where:
    return choice.places.get(option, choice.where)


def missing_files(choice: Choice, problems: Problems) -> None:
    """Note each file that an option names and that is not there, with the nearest that is."""
    for name in type(choice.value).model_fields:
        for path in _paths(getattr(choice.value, name)):
            try:
                missing = not path.exists()
            except (OSError, ValueError):
                missing = True
            if missing:
                where = _place(choice, name)
                problems.add(
                    where,
                    f"{choice.axis.noun} {choice.kind}: no such file {show(seen_from(path, where.folder))}",
                    _near(path, where),
                )


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item)


def _near(path: Path, where: Where) -> str:
    whence = "the working directory" if where.override else "the scenario's folder"
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except (OSError, ValueError):
        return f"its folder does not exist; paths are relative to {whence}"
    near = get_close_matches(path.name, names, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"paths are relative to {whence}"
