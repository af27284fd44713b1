"""The whole matrix: what is left of the trials, then what all that there are say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.engine.runner import Progress
from benchkit.selftest.kills.bench import bench
from benchkit.selftest.kills.log import Log
from benchkit.selftest.kills.plan import SEEDS, Planned, columns, planned, shard
from benchkit.selftest.machine import machine

Show = Callable[[Progress], None]
Entry = dict[str, Any]
TRIAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the self-test is asked to do."""

    seeds: int = SEEDS
    only: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)

    def whole(self) -> list[Planned]:
        """Those of all shards."""
        chosen, _ = columns(self.only)
        return planned(chosen, self.seeds)

    def trials(self) -> list[Planned]:
        """Those of the shard."""
        return shard(self.whole(), *self.shard)


def run(asked: Asked, log: Log, show: Show) -> Entry:
    """Run what is left; an interrupt keeps what was done. Raises BenchkitError where nothing can be run."""
    began = time.monotonic()
    trials = asked.trials()
    left = log.left(trials)
    interrupted = False
    if left:
        try:
            with bench() as running:
                for done, trial in enumerate(left, len(trials) - len(left)):
                    show(Progress("killing", done, len(trials), trial.key))
                    log.keep(running.run(trial))
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.monotonic() - began
    to_go = len(log.left(asked.whole()))
    return {**document(log.lines), "to_go": to_go, "seconds": seconds, "interrupted": interrupted}


def document(lines: Sequence[Entry]) -> Entry:
    """What all trials say together, plain data."""
    _, left_out = columns()
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for line in lines:
        key = (line["transport"], line["fault"], line["party"] or "", line["moment"])
        groups.setdefault(key, []).append(line)
    cells = [_cell(key, own) for key, own in sorted(groups.items())]
    return {
        "machine": machine(),
        "cells": cells,
        "left_out": left_out,
        "trials": len(lines),
        "to_go": 0,
        "invalid": sum(not line["valid"] for line in lines),
        "broken": [line["trial"] for line in lines if line["valid"] and line["held"] is False],
        "open": [line["trial"] for line in lines if line["valid"] and line["held"] is None],
        "loads": sorted(line["load"] for line in lines if line.get("load") is not None),
        "measured_utc": sorted(line["measured_utc"] for line in lines),
        "holds": _holds(lines),
    }


def _holds(lines: Sequence[Entry]) -> bool | None:
    """Every guarantee was kept in every trial; None where one could not be judged."""
    if any(line["valid"] and line["held"] is False for line in lines):
        return False
    return None if not lines or any(not line["valid"] or line["held"] is None for line in lines) else True


def _cell(key: tuple[str, str, str, str], own: Sequence[Entry]) -> Entry:
    valid = [line for line in own if line["valid"]]
    accounts = [line["account"] for line in valid]
    first = [each["after_ms"] for line in valid if (each := next(iter(line["noticed"]), None))]

    def total(name: str) -> int:
        return sum(account[name] for account in accounts)

    return {
        "transport": key[0], "fault": key[1], "party": key[2], "moment": key[3],
        "trials": len(own), "valid": len(valid),
        "held": sum(line["held"] is True for line in valid),
        "broken": sum(line["held"] is False for line in valid),
        "breaches": sorted({breach for line in valid for breach in line["breaches"]}),
        "allowed": next((line["allowed"] for line in valid if line["allowed"]), ""),
        "declared": next((line["declared"] for line in valid), {}),
        **{name: total(name) for name in (
            "attempted", "acknowledged", "lost", "unknown", "recovered", "duplicated", "unexpected", "torn",
        )},
        "in_flight": sum(line["in_flight"] for line in valid),
        "noticed_ms": sorted(first)[len(first) // 2] if first else None,
        "reasons": sorted({reason for line in own for reason in line["reasons"]})[:4],
    }  # fmt: skip
