"""What the tests of alerts share: moments in seconds, observations by name, what was said of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchkit.alerts import Evaluator, Notice, Observation, Rule, over

S = 1_000_000_000


def seen(at_s: float, metric: str, value: float, **labels: str) -> Observation:
    return Observation(round(at_s * S), f"benchkit_{metric}", labels, value)


def gone(at_s: float, metric: str, **labels: str) -> Observation:
    return over(round(at_s * S), f"benchkit_{metric}", labels)


def told(rule: Rule, feeds: Iterable[tuple[float, Sequence[Observation]]]) -> list[Notice]:
    """Every notice of one rule, the observations of each moment fed at that moment."""
    evaluator = Evaluator([rule])
    return [notice for at_s, found in feeds for notice in evaluator.feed(found, round(at_s * S))]


def each(rule: Rule, found: Iterable[Observation]) -> list[Notice]:
    """Likewise, each observation fed at its own moment."""
    return told(rule, [(one.at_ns / S, [one]) for one in found])


def states(notices: Iterable[Notice]) -> list[tuple[str, float]]:
    return [(notice.state, notice.at_ns / S) for notice in notices]
