"""What rules look at: a number of a metric, with labels, seen at a moment; and the metrics that there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Labels = Mapping[str, str]
"""What tells one series of a metric from another: `pipeline`, `party`, `queue`."""
Key = tuple[tuple[str, str], ...]
"""Labels in a form that can be a key."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one series."""

    at_ns: int
    """On the clock of the evaluator's `now_ns`."""
    metric: str
    labels: Labels
    value: float
    """Not a number: the series is over, nothing is known of it from here on (`over`)."""


def over(at_ns: int, metric: str, labels: Labels) -> Observation:
    """The series ends here: its party was dismissed on purpose, its queue is gone.

    Prometheus marks the end of a series the same way (Prometheus documentation, "Querying basics", Staleness):
    without it whoever left on purpose would look like somebody who died.
    """
    return Observation(at_ns, metric, labels, math.nan)


def key_of(labels: Labels) -> Key:
    """Equal for equal labels, in whatever order they were written."""
    return tuple(sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means."""

    kind: Literal["gauge", "counter"]
    says: str


METRICS: Final[Mapping[str, Metric]] = {
    "benchkit_up": Metric("gauge", "1 while a party lives, 0 when it is gone"),
    "benchkit_heartbeat_age_seconds": Metric("gauge", "since a party was last heard of"),
    "benchkit_queue_depth": Metric("gauge", "messages that wait, those being worked on included"),
    "benchkit_oldest_age_seconds": Metric("gauge", "age of the oldest message that waits"),
    "benchkit_handled_total": Metric("counter", "messages that a party or a queue's consumers are done with"),
    "benchkit_rate_per_second": Metric("gauge", "messages handled in a second"),
    "benchkit_arrived_total": Metric("counter", "messages that ever came into a queue"),
    "benchkit_arrivals_per_second": Metric("gauge", "messages that come into a queue in a second"),
    "benchkit_idle_seconds": Metric("gauge", "since a party last did something"),
    "benchkit_pending_entries": Metric("gauge", "messages delivered and not acknowledged"),
    "benchkit_consumers": Metric("gauge", "consumers of a queue"),
    "benchkit_lost_total": Metric("counter", "messages that were accepted and never delivered"),
    "benchkit_dropped_total": Metric("counter", "messages that a policy dropped"),
    "benchkit_rejected_total": Metric("counter", "messages that the transport refused"),
    "benchkit_dead_lettered_total": Metric("counter", "messages that a stage failed on"),
    "benchkit_duplicated_total": Metric("counter", "messages that came more than once"),
    "benchkit_corrupted_total": Metric("counter", "messages that arrived changed"),
    "benchkit_frame_age_seconds": Metric("gauge", "age of the newest frame that has been worked on"),
    "benchkit_latency_p50_seconds": Metric("gauge", "median latency of the last block"),
    "benchkit_latency_p99_seconds": Metric("gauge", "99th percentile of the latency of the last block"),
    "benchkit_slo_good_total": Metric("counter", "messages that kept the promise"),
    "benchkit_slo_total": Metric("counter", "messages that a promise was made for"),
}
"""Every metric that a rule can name, by name."""
