"""Budgets of a scenario as people write them: `compute share >= 60%`, `producer cpu <= 300us`, `wire <= 8MB`.

::

    <phase> share|mean|p50|p99     a phase's part of the mean latency, or its length per message
    <role> cpu | total cpu         CPU time per delivered message
    <role> memory                  largest resident memory
    wire                           bytes that the transport carries for one message
    throughput                     delivered messages
    goodput                        share of the scheduled messages delivered in time
    age p50|p90|p99                of a message when its compute begins
    staleness mean|p99             age of the newest result, over time
    jitter                         mean difference of the latencies of successive results
    freezes                        stretches without a result; freezes = 0
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from benchkit.units import parse_bytes, parse_per_second, parse_seconds, show_bytes, show_us

PHASES: Final = (
    "lateness", "encode", "send", "queue", "transit", "decode", "batch", "compute", "reply", "return",
)  # fmt: skip
ROLES: Final = ("producer", "stage", "broker")
Unit = Literal["share", "s", "bytes", "per_s", "count"]

_SENTENCE: Final = re.compile(r"\s*([a-z]+)(?:\s+([a-z0-9]+))?\s*(<=|>=|=)\s*(\S.*?)\s*")
_WHOLE: Final[Mapping[str, Unit]] = {
    "wire": "bytes", "throughput": "per_s", "goodput": "share", "jitter": "s", "freezes": "count",
}  # fmt: skip
_FRESH: Final[Mapping[str, Mapping[str, Unit]]] = {
    "age": {"p50": "s", "p90": "s", "p99": "s"},
    "staleness": {"mean": "s", "p99": "s"},
}
_OF_PHASE: Final[Mapping[str, Unit]] = {"share": "share", "mean": "s", "p50": "s", "p99": "s"}
_OF_ROLE: Final[Mapping[str, Unit]] = {"cpu": "s", "memory": "bytes"}
_EXAMPLES: Final[Mapping[Unit, str]] = {
    "share": "60%",
    "s": "300us",
    "bytes": "8MB",
    "per_s": "100/s",
    "count": "0",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise about a phase or a cost."""

    subject: str
    """A phase, a role, `total`, `wire`, `throughput`, `goodput`, `age`, `staleness`, `jitter` or `freezes`."""
    measure: str
    """`share`, `mean`, `p50`, `p90`, `p99`, `cpu`, `memory`; empty where the subject says it."""
    at_least: bool
    """The value must not be below the limit; else not above."""
    limit: float
    """In `unit`."""
    unit: Unit

    @property
    def name(self) -> str:
        """`compute share`, `wire`."""
        return f"{self.subject} {self.measure}".strip()

    def kept(self, value: float) -> bool:
        """Whether a value keeps it."""
        # 100 us is 1e-4 s by one way of reckoning and 9.9999e-5 by another.
        slack = 1e-9 * self.limit
        return value >= self.limit - slack if self.at_least else value <= self.limit + slack


def budget(text: str) -> Budget:
    """What a sentence promises; raises ValueError that names the word that is wrong and what it may be."""
    match = _SENTENCE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a budget; write for example compute share >= 60%, or producer cpu <= 300us")
    subject, measure, relation, amount = match[1], match[2] or "", match[3], match[4]
    unit = _unit(subject, measure)
    if relation == "=" and (unit != "count" or amount != "0"):
        raise ValueError(
            f"only freezes = 0 can be promised with =; write {subject} {measure} <= or >=".replace("  ", " ")
        )
    return Budget(subject, measure, relation == ">=", _limit(amount, unit), unit)


def show(value: float | None, unit: Unit) -> str:
    """For people: `62.1%`, `310 us`, `8.3 MB`, `100/s`; `-` for None."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{value:.1%}"
    if unit == "count":
        return f"{value:.6g}"
    if unit == "bytes":
        return show_bytes(value)
    return f"{value:.6g}/s" if unit == "per_s" else show_us(value * 1e6)


def _unit(subject: str, measure: str) -> Unit:
    if subject in _WHOLE:
        if measure:
            raise ValueError(f"{subject} has no {measure!r}; write {subject} alone")
        return _WHOLE[subject]
    if subject == "total":
        known: Mapping[str, Unit] = {"cpu": "s"}
    elif subject in PHASES:
        known = _OF_PHASE
    elif subject in ROLES:
        known = _OF_ROLE
    elif subject in _FRESH:
        known = _FRESH[subject]
    else:
        subjects = ", ".join((*PHASES, *ROLES, "total", *_WHOLE, *_FRESH))
        raise ValueError(f"nothing is called {subject!r}; known: {subjects}")
    if measure not in known:
        found = repr(measure) if measure else "nothing"
        raise ValueError(f"of {subject} there is {', '.join(known)}, found {found}")
    return known[measure]


def _limit(amount: str, unit: Unit) -> float:
    parse: Mapping[Unit, Callable[[str], Any]] = {
        "share": _share, "s": parse_seconds, "bytes": parse_bytes, "per_s": parse_per_second, "count": int,
    }  # fmt: skip
    try:
        found = float(parse[unit](amount))
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or found < 0 or (unit == "share" and found > 1):
        raise ValueError(f"{amount!r} is no limit here; write for example {_EXAMPLES[unit]}")
    return found


def _share(amount: str) -> float:
    return float(amount[:-1]) / 100 if amount.endswith("%") else float(amount)
