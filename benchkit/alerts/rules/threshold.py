"""Any metric beyond a limit, for a time."""

from __future__ import annotations

import math
from typing import ClassVar, Self

from pydantic import Field, model_validator

from benchkit.alerts.observation import Key, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, MetricName, Rule


class Threshold(Rule):
    """A metric above or below a value: `{rule: threshold, metric: benchkit_queue_depth, above: 1000, lasting: 5s}`."""

    kind: ClassVar[str] = "threshold"

    metric: MetricName
    above: float | None = Field(
        None, allow_inf_nan=False, description="it holds while the metric is above this"
    )
    below: float | None = Field(
        None, allow_inf_nan=False, description="it holds while the metric is below this"
    )
    well_at: float | None = Field(
        None,
        allow_inf_nan=False,
        description="the value that it must get back to; by default the limit itself",
    )

    @model_validator(mode="after")
    def _sides(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either `above` or `below`")
        if self.well_at is not None and (self.well_at - self.limit) * (1 if self.below is None else -1) > 0:
            raise ValueError(f"well_at {self.well_at:g} is itself beyond the limit of {self.limit:g}")
        return self

    @property
    def limit(self) -> float:
        """The one that is given."""
        found = self.above if self.below is None else self.below
        assert found is not None  # noqa: S101  (validated)
        return found

    @property
    def title(self) -> str:
        """The comparison, so that two thresholds are told apart without names."""
        side = "above" if self.below is None else "below"
        return self.name or f"{self.metric} {side} {self.limit:g}"

    @property
    def metrics(self) -> frozenset[str]:
        """The one that is named."""
        return frozenset((self.metric,))

    def judge(self) -> Judge:
        """Compares the last value."""
        return Beyond(self.metric, self.limit, self.well_at, above=self.below is None)


class Beyond(Judge):
    """The last value of each series against a limit."""

    def __init__(
        self, metric: str, limit: float, well_at: float | None = None, *, above: bool = True
    ) -> None:
        self._metric, self._limit = metric, limit
        self._well_at = limit if well_at is None else well_at
        self._above = above
        self._last: dict[Key, tuple[Observation, int]] = {}

    def _holds(self, value: float) -> bool:
        return value > self._limit if self._above else value < self._limit

    def _well(self, value: float) -> bool:
        return value <= self._well_at if self._above else value >= self._well_at

    def take(self, seen: Observation) -> None:
        """Keep the last of each series, and since when it is beyond."""
        key = key_of(seen.labels)
        if math.isnan(seen.value):
            self._last.pop(key, None)
            return
        _, since = self._last.get(key, (seen, 0))
        if not self._holds(seen.value):
            since = 0
        elif not since:
            since = seen.at_ns
        self._last[key] = (seen, since)

    def findings(self, now_ns: int) -> list[Finding]:  # noqa: ARG002  (the seam's signature)
        """One for each series."""
        return [
            Finding(
                seen.labels,
                self._holds(seen.value),
                self._well(seen.value),
                seen.value,
                since,
                self.summary(seen.value),
            )
            for seen, since in self._last.values()
        ]

    def summary(self, value: float) -> str:
        """One line for people."""
        name = self._metric.removeprefix("benchkit_")
        if not self._holds(value):
            return f"benchkit_{name} is {value:.4g}"
        if self._above:
            return f"benchkit_{name} is {value:.4g}, above {self._limit:g}"
        return f"benchkit_{name} is {value:.4g}, below {self._limit:g}"
