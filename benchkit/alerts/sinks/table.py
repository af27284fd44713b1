"""The sinks by name."""

from __future__ import annotations

from typing import Final

from benchkit.alerts.sinks.alertmanager import Alertmanager
from benchkit.alerts.sinks.base import SinkOptions
from benchkit.alerts.sinks.prometheus import Prometheus
from benchkit.alerts.sinks.terminal import Terminal
from benchkit.alerts.sinks.webhook import Webhook

SINKS: Final[dict[str, type[SinkOptions]]] = {
    sink.kind: sink for sink in (Terminal, Webhook, Alertmanager, Prometheus)
}
