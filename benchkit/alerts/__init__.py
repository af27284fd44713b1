"""Alerts: rules over what is observed, and where their notices go.

::

    Observation  ->  Evaluator(rules).feed(observations, now_ns)  ->  [Notice]  ->  sinks

The evaluator is pure: time is passed in, so that a rule behaves the same in a run, in `benchkit watch` and in a
test of a microsecond. `Alerting` is the evaluator with its sinks and a log of what was said and when.
"""

from benchkit.alerts.evaluator import Evaluator
from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import METRICS, Observation, over
from benchkit.alerts.rules.base import Finding, Judge, Rule
from benchkit.alerts.sinks.base import Sink, SinkOptions

__all__ = [
    "METRICS",
    "Delivered",
    "Evaluator",
    "Finding",
    "Judge",
    "Notice",
    "Observation",
    "Rule",
    "Sink",
    "SinkOptions",
    "over",
]
