"""When a fault comes: the state that the cell is brought to or caught in, and what was found."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from benchkit.engine.faulted import board
from benchkit.engine.faulted.collecting import in_flight
from benchkit.engine.faulted.journal import What
from benchkit.engine.faulted.scene import LiveScene
from benchkit.faults.base import Fault
from benchkit.records.operations import Operations

_PATIENCE_S: Final = 3.0
_QUIET_S: Final = 0.01
"""Nothing may be under way for so long before the cell counts as idle."""
LEAST_BACKLOG: Final = 2
_MOST_BACKLOG: Final = 64


@dataclass(frozen=True, slots=True)
class Timing:
    """When, in seconds after the control band."""

    after_s: float
    scripted: bool


def timing(fault: Fault, draw: float, spread_s: float) -> Timing:
    """The second that was asked for, else one drawn: `draw` (0 to 1) of `spread_s`."""
    return Timing(draw * spread_s, False) if fault.at is None else Timing(fault.at, True)


def wanted_backlog(depth: int) -> int:
    """How many messages must stand in the queue: half of what it holds."""
    return max(LEAST_BACKLOG, min(depth // 2, _MOST_BACKLOG))


def reach(scene: LiveScene, fault: Fault) -> bool:
    """Bring the cell to the fault's moment, or catch it there; False where that took too long."""
    match fault.moment:
        case "idle":
            return _idle(scene)
        case "mid-message":
            return _mid_message(scene)
        case "backlog":
            return _backlog(scene)
        case "any":
            return True


def _idle(scene: LiveScene) -> bool:
    """A lull: nothing is due until the fault has come."""
    words, supervisor = scene.supervisor.board.words, scene.supervisor
    words[board.PAUSED_NS] = time.monotonic_ns()
    words[board.PAUSED] = 1

    def still() -> bool:
        last_ns = max([life.last_ns for life in supervisor.now()], default=0)
        counts = supervisor.counts()
        done = counts[What.ACKED] + counts[What.REJECTED]
        return time.monotonic_ns() - last_ns > _QUIET_S * 1e9 and counts[What.TAKEN] <= done

    return scene.wait(_PATIENCE_S, still)


def _mid_message(scene: LiveScene) -> bool:
    """Watched without a pause: a worker has a message for as long as it works on it."""
    supervisor = scene.supervisor
    workers = [life for life in supervisor.now() if life.role.party == "stage"]
    deadline = time.monotonic() + _PATIENCE_S
    # One that was begun before may be done by the time the fault comes.
    for life in workers:
        life.follow()
    before = {life.pid: life.counts[What.RECEIVED] for life in workers}
    while time.monotonic() < deadline:
        for life in workers:
            life.follow()
            if life.at_hand and life.counts[What.RECEIVED] > before[life.pid]:
                scene.at_hand = life
                return True
    return False


def _backlog(scene: LiveScene) -> bool:
    """No worker takes anything until the queue stands; it is let go when the fault has come."""
    supervisor = scene.supervisor
    supervisor.board.words[board.HELD] = 1
    wanted = wanted_backlog(scene.transport.depth)

    def stands() -> bool:
        counts = supervisor.counts()
        return counts[What.SENT] - counts[What.RECEIVED] >= wanted

    return scene.wait(_PATIENCE_S, stands)


def found(fault: Fault, rows: Operations, at_ns: int, when: Timing, reached: bool) -> dict[str, Any]:
    """`asked`, `found` in words, and the figures behind it, of a trial that is over."""
    queued, at_hand = in_flight(rows, at_ns)
    state = "idle" if not queued + at_hand else "mid-message" if at_hand else "backlog"
    words = {
        "idle": "nothing under way",
        "mid-message": f"{at_hand} received and not acknowledged, {queued} queued",
        "backlog": f"{queued} queued",
    }[state]
    holds = {
        "idle": state == "idle",
        "mid-message": at_hand > 0,
        "backlog": queued >= LEAST_BACKLOG,
        "any": True,
    }[fault.moment]
    return {
        "asked": fault.moment, "found": words, "reached": reached and holds, "queued": queued, "at_hand": at_hand,
        "after_s": round(when.after_s, 6), "scripted": when.scripted,
    }  # fmt: skip
