"""Combinations that cannot be measured, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from benchkit.load.base import ClosedArrival
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import BlockOptions, Choice
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import seen_from, show
from benchkit.transports.base import Transport


def refuse(found: Sequence[Cell], blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    """Note what makes any of the cells impossible."""
    if blocks.warmup >= blocks.duration:
        problems.add(
            blocks_at,
            f"a warm-up of {blocks.warmup:g} s is not shorter than the {blocks.duration:g} s measured",
            "lower blocks.warmup or raise blocks.duration",
        )
    _warmup_max(blocks, blocks_at, problems)
    seen: set[int] = set()
    for cell in found:
        _closed(cell, problems)
        _workers(cell, problems)
        _batch(cell, problems)
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


def _closed(cell: Cell, problems: Problems) -> None:
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
