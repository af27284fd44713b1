"""Alerts: rules over what is observed, and where their notices go.

::

    Observation  ->  Evaluator(rules).feed(observations, now_ns)  ->  [Notice]  ->  sinks

The evaluator is pure: time is passed in, so that a rule behaves the same in a run, in `benchkit watch` and in a
test of a microsecond. `alerting(options, say)` is the evaluator with its sinks open and a log of what was said and
when; `read` makes its options of plain data.
"""

from benchkit.alerts.alerting import Alerting, alerting
from benchkit.alerts.evaluator import Evaluator
from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import METRICS, Observation, over
from benchkit.alerts.options import AlertOptions, read
from benchkit.alerts.rules.base import Finding, Judge, Rule
from benchkit.alerts.sinks.base import Around, Sink, SinkOptions

__all__ = [
    "METRICS",
    "AlertOptions",
    "Alerting",
    "Around",
    "Delivered",
    "Evaluator",
    "Finding",
    "Judge",
    "Notice",
    "Observation",
    "Rule",
    "Sink",
    "SinkOptions",
    "alerting",
    "over",
    "read",
]
