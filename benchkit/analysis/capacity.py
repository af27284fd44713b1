"""The search for a capacity, without anything that runs: which rate to try next, given what was seen.

::

    double until a level breaks -> bisect until kept and broken are close -> confirm both ends

A level is one rate, measured in blocks until it is decided: a sequential probability ratio test (Wald,
Annals of Mathematical Statistics 16 (1945) 117-186) between "half the odds of a bad message that the promise
allows" and "twice". A message is bad when it was not delivered or took longer than the limit, so failures
stand in the denominator and no survivor flatters a level. Three things are not as in the textbook:

- The block is the unit: its log likelihood ratio is cut at WEIGHT (censored as in Huber, Annals of
  Mathematical Statistics 36 (1965) 1753-1758), so no decision rests on one block: two agree in the search,
  three in the confirmation. One block in which the machine was elsewhere decides nothing.
- Messages that wait in one queue are late together. Under random arrivals a block's ratio is divided by a
  design effect of CLUSTER times the messages that come within the limit (Little's law: so many are in the
  system when it breaks; the excursion of an M/D/1 queue above its p99 lasts a few times as long), unless
  nothing came near the limit.
- A queue that grows slowly breaks no promise in a short block and every promise in the long run. So a second
  ratio weighs the growth of latency within each block, 0 against half of the precision asked, and a level
  whose queue grows is broken too.

Error probabilities of a decision: 5% in the search, 1% in the confirmation (Wald's boundaries, which bound
their sum). A promise of nothing lost, or of a maximum, is broken by one message.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from benchkit.analysis.quantiles import PERCENTILES

SEARCHING: Final = math.log(0.95 / 0.05)
CONFIRMED: Final = math.log(0.99 / 0.01)
WEIGHT: Final = CONFIRMED / 3
"""What one block can weigh at most."""
ODDS: Final = 2.0
"""Kept and broken are told apart where the odds of a bad message differ from the promised ones by this factor."""
MOST_BLOCKS: Final = 24
"""Of one level; what is not decided then is taken for what is more likely."""
HALVINGS: Final = 6
"""How often the first rate is halved while every level breaks."""
NEAR: Final = 0.5
"""A block whose longest latency stays under this share of the limit was never near it."""
CLUSTER: Final = 4.0
"""Late messages under random arrivals come in clusters of about so many times those due within the limit."""
_ZERO: Final = 0.01
"""A promise without exception is kept when a share of this much would have shown."""

Verdict = Literal["kept", "broken"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for."""

    slo: Mapping[str, float]
    """Seconds by percentile name or `max`; `loss` as a share."""
    precision: float
    random: bool
    """Arrivals come at random, so messages are late together."""
    start_per_s: float
    max_per_s: float

    def allowed(self, promise: str) -> float:
        """The share of bad messages that the promise allows."""
        if promise in PERCENTILES:
            return float(1 - PERCENTILES[promise])
        return self.slo["loss"] if promise == "loss" else 0.0

    @property
    def tolerance(self) -> float:
        """How close kept and broken must come: closer than asked, since each may be misjudged by a little."""
        return self.precision * 2 / 3

    @property
    def block_messages(self) -> int:
        """Messages of a block that weighs in full when none is bad."""
        weights = (-_log_ratio(0, 1, self.allowed(name) or _ZERO) for name in self.slo)
        return max((math.ceil(1.02 * WEIGHT / weight) for weight in weights), default=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one block of a level showed, warm-up excluded."""

    messages: int
    delivered: int
    gone: int
    """Dropped, rejected, dead-lettered or lost; what was still on its way when the drain ended is late instead."""
    late: Mapping[str, int]
    """By latency promise: messages that did not come within the limit, whatever became of them."""
    growth: float
    """By how much latency rose over the block, in seconds per second; what never came counts as it stood."""
    growth_error: float
    smallest_s: float
    """Of the delivered ones, warm-up included; infinite where there is none."""
    largest_s: float
    """Likewise, warm-up excluded; 0 where there is none."""

    @property
    def failed(self) -> int:
        """Messages that were not delivered."""
        return self.messages - self.delivered


@dataclass(slots=True)
class Level:
    """One rate and what its blocks said so far."""

    rate_per_s: float
    blocks: list[Evidence] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    """Log likelihood ratio by promise: above 0 for broken."""
    growing: float = 0.0
    """Likewise, for a queue that grows."""
    exceptions: set[str] = field(default_factory=set)
    """Promises without exception that met one."""

    def decided(self, boundary: float) -> Verdict | None:
        """What the evidence says at this boundary."""
        if self.exceptions or max(self.growing, *self.weights.values(), -math.inf) >= boundary:
            return "broken"
        kept = self.weights and max(self.weights.values()) <= -boundary and self.growing <= 0
        return "kept" if kept else None

    @property
    def likely(self) -> Verdict:
        """The more likely one of the two."""
        return self.decided(SEARCHING) or (
            "broken" if max(self.growing, *self.weights.values(), -math.inf) > 0 else "kept"
        )

    @property
    def sure(self) -> bool:
        """Decided at the error probability of a confirmation."""
        return self.decided(CONFIRMED) is not None

    @property
    def unsustained(self) -> bool:
        """Its queue grows as long as the load lasts."""
        return self.growing >= SEARCHING

    @property
    def broken_by(self) -> list[str]:
        """What broke: names of promises, `growth`."""
        found = [
            name for name, weight in self.weights.items() if weight >= SEARCHING or name in self.exceptions
        ]
        return found + (["growth"] if self.unsustained else [])


class CapacitySearch:
    """The state: levels by rate. `next_level` and `record` take turns until it answers None."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.levels: dict[float, Level] = {}
        self._at: float | None = None

    def record(self, rate_per_s: float, evidence: Evidence) -> None:
        """One more block of a level."""
        level = self.levels.setdefault(
            rate_per_s, Level(rate_per_s, weights=dict.fromkeys(self.asked.slo, 0.0))
        )
        level.blocks.append(evidence)
        for name in self.asked.slo:
            bad = evidence.gone if name == "loss" else evidence.late[name]
            allowed = self.asked.allowed(name)
            if allowed == 0 and bad:
                level.exceptions.add(name)
            else:
                ratio = _log_ratio(bad, evidence.messages, allowed or _ZERO)
                level.weights[name] += _cut(ratio / self._together(name, rate_per_s, evidence))
        level.growing += _cut(_growth_ratio(evidence, self.asked.precision / 2))
        self._at = rate_per_s

    def next_level(self) -> float | None:
        """The rate of the next block; None when everything is known that can be."""
        current = self.levels.get(self._at) if self._at is not None else None
        if current is None:
            return self.asked.start_per_s
        if current.decided(SEARCHING) is None and len(current.blocks) < MOST_BLOCKS:
            return current.rate_per_s
        kept, broken = self.bracket()
        if kept is None:
            return None if self.hopeless else self._halved(broken)
        if broken is None:
            return self._doubled(kept)
        if broken.rate_per_s > kept.rate_per_s * (1 + self.asked.tolerance):
            return _readable((kept.rate_per_s + broken.rate_per_s) / 2)
        return self._unconfirmed(kept, broken)

    def bracket(self) -> tuple[Level | None, Level | None]:
        """The highest level kept below the lowest one broken, and that one.

        A broken level under a kept one is believed: nobody wants a promise that holds at 500/s and not at 400/s.
        """
        rates = sorted(self.levels)
        broken = next((self.levels[rate] for rate in rates if self.levels[rate].likely == "broken"), None)
        under = [rate for rate in rates if broken is None or rate < broken.rate_per_s]
        return (self.levels[under[-1]] if under else None), broken

    @property
    def hopeless(self) -> bool:
        """No level can keep it: halved often enough, or the fastest message of several blocks was too slow."""
        tries = [level for level in self.levels.values() if level.rate_per_s <= self.asked.start_per_s]
        fastest = [block.smallest_s for level in tries for block in level.blocks if block.delivered]
        limit_s = max((limit for name, limit in self.asked.slo.items() if name != "loss"), default=math.inf)
        return len(tries) > HALVINGS or (len(fastest) > 1 and min(fastest) > limit_s)

    def _halved(self, broken: Level | None) -> float | None:
        return None if broken is None else _readable(broken.rate_per_s / 2)

    def _doubled(self, kept: Level) -> float | None:
        if kept.rate_per_s >= self.asked.max_per_s:
            return kept.rate_per_s if _unsure(kept) else None
        return min(_readable(2 * kept.rate_per_s), self.asked.max_per_s)

    def _unconfirmed(self, kept: Level, broken: Level) -> float | None:
        """At the answer and just above it."""
        return next((level.rate_per_s for level in (kept, broken) if _unsure(level)), None)

    def _together(self, promise: str, rate_per_s: float, evidence: Evidence) -> float:
        """How many messages are worth one that is independent of the others."""
        limit_s = self.asked.slo[promise]
        if promise == "loss" or not self.asked.random or evidence.largest_s < NEAR * limit_s:
            return 1.0
        return max(1.0, CLUSTER * rate_per_s * limit_s)


def _unsure(level: Level) -> bool:
    return not level.sure and len(level.blocks) < MOST_BLOCKS


def _log_ratio(bad: int, messages: int, allowed: float) -> float:
    """Log likelihood ratio of ODDS times the allowed odds against that part of them, for `bad` of `messages`."""
    odds = allowed / (1 - allowed) if allowed < 1 else math.inf
    if math.isinf(odds):
        return -math.inf if messages else 0.0
    # ln(p1/p0) = ln(ODDS^2) + ln(q1/q0), with q = 1 - p = 1 / (1 + odds)
    good = math.log1p(odds / ODDS) - math.log1p(odds * ODDS)
    return bad * 2 * math.log(ODDS) + messages * good


def _growth_ratio(evidence: Evidence, grows: float) -> float:
    """Log likelihood ratio of a growth of `grows` against none, for a normal estimate."""
    if math.isinf(evidence.growth_error):
        return 0.0
    return grows * (evidence.growth - grows / 2) / max(evidence.growth_error, 1e-9) ** 2


def _cut(ratio: float) -> float:
    return max(-WEIGHT, min(WEIGHT, ratio))


def _readable(rate_per_s: float) -> float:
    """Five significant digits: two hundred times finer than the finest precision that may be asked."""
    return float(f"{rate_per_s:.5g}")
