"""How fast an SLO's error budget burns, in a long and a short window together.

B. Beyer et al. (eds.), "The Site Reliability Workbook", O'Reilly 2018, chapter 5 "Alerting on SLOs", section 6
"Multiwindow, multi-burn-rate alerts": a burn rate of 1 spends the whole budget in the SLO's period. The long window
makes sure that the loss matters, the short one (1/12 of it) that it goes on, so that the alert ends soon after its
cause. Table 5-8 recommends, for a period of 30 days, 14.4 over 1 h and 5 min (2% of the budget), 6 over 6 h and
30 min (5%), and 1 over 3 d and 6 h (10%). Here the windows are these shares of `period`, whatever it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from benchkit.alerts.notice import Severity
from benchkit.alerts.observation import Key, Labels, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Positive, Rule
from benchkit.alerts.rules.history import History
from benchkit.units import Share, show_seconds

_PERIOD_S: Final = 30 * 86400.0
"""Of the workbook's windows."""
_SHORT: Final = 12.0
"""The workbook's long window over its short one."""
_OBJECTIVE: Final = 0.99
"""Where neither the rule nor the label `objective` says."""


class BurnWindow(BaseModel):
    """A burn rate that is too fast over a long and a short window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long: Positive
    short: Positive | None = Field(None, description="by default 1/12 of `long`")
    factor: float = Field(
        gt=0, allow_inf_nan=False, description="how many times as fast as the budget allows"
    )

    @property
    def short_s(self) -> float:
        """The short window, in seconds."""
        return self.long / _SHORT if self.short is None else self.short


WORKBOOK: Final = (
    BurnWindow(long=3600.0, short=300.0, factor=14.4),
    BurnWindow(long=6 * 3600.0, short=1800.0, factor=6.0),
    BurnWindow(long=3 * 86400.0, short=6 * 3600.0, factor=1.0),
)
"""Table 5-8, for a period of 30 days."""


class BurnRate(Rule):
    """An SLO's error budget burns too fast, over a long and a short window."""

    kind: ClassVar[str] = "burn-rate"

    objective: Annotated[Share, Field(gt=0, lt=1)] | None = Field(
        None,
        description="share of messages that must keep the promise, e.g. 99%; by default that of the promise",
    )
    period: Positive = Field(3600.0, description="over which the objective holds; 30 days: write 720h")
    windows: Annotated[tuple[BurnWindow, ...], Field(max_length=8)] = Field(
        (),
        description="- {long: 5s, short: 500ms, factor: 14.4}; by default the workbook's shares of `period`",
    )
    least: int = Field(20, ge=1, description="messages in a window below which nothing is told")
    severity: Severity = "critical"

    @property
    def metrics(self) -> frozenset[str]:
        """Messages that kept the promise, and all of them."""
        return frozenset(("benchkit_slo_good_total", "benchkit_slo_total"))

    @property
    def pairs(self) -> tuple[BurnWindow, ...]:
        """The windows, those of the workbook scaled where none are given."""
        if self.windows:
            return self.windows
        scale = self.period / _PERIOD_S
        return tuple(
            BurnWindow(long=each.long * scale, short=each.short_s * scale, factor=each.factor)
            for each in WORKBOOK
        )

    def judge(self) -> Judge:
        """Keeps the counters' history for each pair of windows."""
        return _Burning(self)


@dataclass(slots=True)
class _Promise:
    """Counters of one SLO, and their last while."""

    labels: Labels
    histories: tuple[tuple[History, History], ...]
    """Of each pair of windows: good messages and all of them, resets taken out."""
    counts: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By metric: as last seen, and what was counted before the last reset."""
    at_ns: int = 0

    def count(self, metric: str, value: float) -> None:
        """A counter that fell began anew."""
        last, before = self.counts.get(metric, (0.0, 0.0))
        self.counts[metric] = (value, before + last if value < last else before)

    def total(self, metric: str) -> float:
        """What was counted in all."""
        return sum(self.counts.get(metric, (0.0, 0.0)))


class _Burning(Judge):
    def __init__(self, rule: BurnRate) -> None:
        self._rule = rule
        self._pairs = rule.pairs
        self._promises: dict[Key, _Promise] = {}

    def take(self, seen: Observation) -> None:
        key = key_of(seen.labels)
        if math.isnan(seen.value):
            self._promises.pop(key, None)
            return
        promise = self._promises.get(key)
        if promise is None:
            kept = [int(pair.long * 1e9) for pair in self._pairs]
            histories = tuple((History(ns), History(ns)) for ns in kept)
            promise = self._promises[key] = _Promise(seen.labels, histories)
        if seen.at_ns > promise.at_ns:
            self._remember(promise)
        promise.at_ns = seen.at_ns
        promise.count(seen.metric, seen.value)

    def _remember(self, promise: _Promise) -> None:
        """What stood at the last moment; only now is it known that both counters have told theirs."""
        if promise.at_ns:
            for good, total in promise.histories:
                good.add(promise.at_ns, promise.total("benchkit_slo_good_total"))
                total.add(promise.at_ns, promise.total("benchkit_slo_total"))

    def findings(self, now_ns: int) -> list[Finding]:
        return [self._finding(promise, now_ns) for promise in self._promises.values()]

    def _finding(self, promise: _Promise, now_ns: int) -> Finding:
        budget = 1.0 - self._objective(promise.labels)
        worst, worst_pair = 0.0, self._pairs[0]
        for pair, histories in zip(self._pairs, promise.histories, strict=True):
            # Back from what was seen last: where little is sent, the short window may hold no moment of its own.
            stale = now_ns - promise.at_ns > pair.long * 1e9
            long = 0.0 if stale else self._burn(promise, histories, pair.long, budget, whole=True)
            short = 0.0 if stale else self._burn(promise, histories, pair.short_s, budget)
            if min(long, short) / pair.factor > worst:
                worst, worst_pair = min(long, short) / pair.factor, pair
        name = promise.labels.get("promise", "the promise")
        rate = worst * worst_pair.factor
        if worst < 1:
            return Finding(promise.labels, False, True, rate, 0, f"{name} is kept again")
        words = (
            f"{name} burns its error budget {rate:.3g} times as fast as it may, "
            f"over {show_seconds(worst_pair.long)} and {show_seconds(worst_pair.short_s)}"
        )
        return Finding(promise.labels, True, False, rate, 0, words)

    def _burn(
        self,
        promise: _Promise,
        histories: tuple[History, History],
        window_s: float,
        budget: float,
        *,
        whole: bool = False,
    ) -> float:
        """Share of bad messages in the window over the share that is allowed; 0 where too few are known.

        Of a `whole` window, what was not seen counts as kept: a quarter of an hour says nothing of three days.
        """
        from_ns = promise.at_ns - int(window_s * 1e9)
        was_good, was_total = (history.at(from_ns) for history in histories)
        if was_good is None or was_total is None:
            return 0.0
        told = promise.total("benchkit_slo_total") - was_total[1]
        if told < self._rule.least:
            return 0.0
        bad = told - (promise.total("benchkit_slo_good_total") - was_good[1])
        seen = min(1.0, (promise.at_ns - was_total[0]) / 1e9 / window_s) if whole else 1.0
        return bad / told / budget * seen

    def _objective(self, labels: Mapping[str, str]) -> float:
        if self._rule.objective is not None:
            return self._rule.objective
        try:
            found = float(labels.get("objective", ""))
        except ValueError:
            return _OBJECTIVE
        return found if 0 < found < 1 else _OBJECTIVE
