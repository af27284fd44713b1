"""Trials of faults: `faults.jsonl` and `faults/<number>.npy` of a run directory.

A trial's operations are written first and under their name in one step, then its line: a reader that finds the
line finds the operations, and a line that a kill cut in two is no trial.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from benchkit.errors import RecordError
from benchkit.records import opening
from benchkit.records.operations import OPERATION, Operations
from benchkit.records.plain import storable

FILE: Final = "faults.jsonl"
FOLDER: Final = "faults"


@dataclass(frozen=True, slots=True)
class Trial:
    """One cell under load to which one fault was done, or none (the control); moments in ns of the host's clock."""

    number: int
    cell: str
    transport: str
    fault: Mapping[str, Any]
    """Its plain options, `kind` among them; {} for the control."""
    moment: Mapping[str, Any] = field(default_factory=dict)
    """`asked`, and what was `found` when it was injected (in words), with the figures behind it."""
    seed: int = 0
    from_ns: int = 0
    """The load began."""
    before_from_ns: int = 0
    """The control band: from here, after warm-up, to `injected_ns`."""
    injected_ns: int = 0
    """0 for the control."""
    healed_ns: int = 0
    """0 where it heals by itself or never."""
    ended_ns: int = 0
    """The load ended and all was drained, or the time for that was over."""
    window_s: float = 0.1
    """The windows in which recovery is looked for."""
    offered_per_s: float = 0.0
    proof: str = ""
    """The evidence that it bit; "" of a fault makes the trial invalid."""
    detections: tuple[Mapping[str, Any], ...] = ()
    """`by` (producer, stage-0, supervisor), `how` (exit, heartbeat, error), `at_ns`; in order."""
    deaths: tuple[Mapping[str, Any], ...] = ()
    """`party`, `at_ns`, `how`."""
    restarts: tuple[Mapping[str, Any], ...] = ()
    """`party`, `at_ns`, `ready_ns` (0: never)."""
    drained: bool = False
    """Everything became quiet and was looked at: what is missing is lost, not unknown."""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    """`delivery`, `durability`, `level`, `ordering`."""
    in_flight_at_injection: int = 0
    """Sent and not received, or received and not acknowledged."""
    torn: int = 0
    """Deliveries whose bytes nobody sent, so that not even their number is known."""
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    wall_s: float = 0.0
    """What the trial took, from preparing to cleaning up."""
    alerts: tuple[Mapping[str, Any], ...] = ()
    """What the rules said of it, as `Run.alerts` holds it; deliveries that came later stand there alone."""

    @property
    def control(self) -> bool:
        """No fault was done."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What cannot be done to which cell, and why."""

    cell: str
    fault: str
    """Its label; empty where none can."""
    why: str


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a run; a trial's operations are read when they are asked for, since thousands fit no memory."""

    all: tuple[Trial, ...]
    read: Callable[[Trial], Operations]
    """Raises RecordError."""


def kept(folder: Path) -> Trials | None:
    """The trials of a run directory; None where it has none. Raises RecordError where their file is damaged."""
    found = tuple(trials(folder))
    return Trials(found, partial(operations, folder)) if found else None


def plain(trial: Trial) -> dict[str, Any]:
    """As a line of the file holds it."""
    kept: dict[str, Any] = storable(asdict(trial))
    return kept


def trial_of(line: Mapping[str, Any]) -> Trial:
    """From a line; what a later release added is left out. Raises RecordError for one that is none."""
    known = {each.name for each in fields(Trial)}
    kept = {name: value for name, value in line.items() if name in known}
    try:
        return _adapter().validate_python(kept)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = f"no trial: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RecordError(what, where=FILE, remedy="copy the run directory again") from None


@cache
def _adapter() -> TypeAdapter[Trial]:
    return TypeAdapter(Trial)


def add(folder: Path, trial: Trial, operations: Operations) -> None:
    """Keep a trial in a run directory; raises OSError."""
    below = folder / FOLDER
    below.mkdir(exist_ok=True)
    if below.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(below))
    whole = below / f"{trial.number}.npy"
    partial = below / f".{trial.number}.new"
    with opening.made(partial) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(operations, OPERATION), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(whole)
    line = json.dumps(plain(trial), allow_nan=False).encode("ascii") + b"\n"
    lines = folder / FILE
    with opening.changed(lines) if lines.exists() else opening.made(lines, fresh=True, read=True) as file:
        end = _whole_lines(file.read() if not file.seek(0) else b"")
        file.truncate(end)
        file.seek(0, os.SEEK_END)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _whole_lines(content: bytes) -> int:
    """Bytes up to the end of the last whole line."""
    return content.rfind(b"\n") + 1


def trials(folder: Path) -> list[Trial]:
    """The trials of a run directory, in the order in which they were made; none where it has none.

    Raises RecordError where the file is damaged.
    """
    return list(_trials(folder / FILE))


def _trials(file: Path) -> Iterator[Trial]:
    try:
        content = opening.content(opening.confined(file, file.parent), opening.MOST_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=str(file)) from error
    for number, line in enumerate(content[: _whole_lines(content)].splitlines(), 1):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError(
                f"line {number} is damaged: {error}", where=str(file), remedy="copy the run directory again"
            ) from None
        if not isinstance(told, dict):
            raise RecordError(f"line {number} is no trial", where=str(file))
        yield trial_of(told)


def operations(folder: Path, trial: Trial) -> Operations:
    """The messages of a trial; raises RecordError where they are missing or damaged."""
    file = folder / FOLDER / f"{trial.number}.npy"
    try:
        return opening.rows(opening.confined(file, folder), OPERATION)
    except (OSError, ValueError) as error:
        raise RecordError(
            f"cannot be read: {error}", where=str(file), remedy="copy the run directory again"
        ) from error
