"""Prometheus' Alertmanager, version 2 of its API: `POST /api/v2/alerts`.

Alertmanager forgets what it is not reminded of: an alert ends at its `endsAt`. So what fires is sent again every
minute with an end four reminders away, as Prometheus itself does, and what is well again is sent once with the end
that it had: an alert of a benchkit that was killed ends by itself.
"""

from __future__ import annotations

import json
import re
import threading
from typing import Any, ClassVar, Final

from pydantic import Field

from benchkit.alerts.notice import Notice
from benchkit.alerts.observation import Key
from benchkit.alerts.rules.base import Positive
from benchkit.alerts.sinks.address import parse
from benchkit.alerts.sinks.base import Around, Sink, utc
from benchkit.alerts.sinks.posting import Posting, PostingOptions

_PATH: Final = "/api/v2/alerts"
_REMINDERS: Final = 4
_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


class Alertmanager(PostingOptions):
    """Prometheus' Alertmanager: its address without the API's path, e.g. http://127.0.0.1:9093."""

    kind: ClassVar[str] = "alertmanager"

    remind: Positive = Field(60.0, description="how often it is told again what fires")
    source: str = Field(
        "urn:benchkit:alerts",
        pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$",
        max_length=500,
        description="generatorURL: where people find what fired, e.g. the address of a CI job",
    )

    def open(self, around: Around) -> Sink:
        """A thread that sends and reminds."""
        return _Alerts(self, around)


def _with_path(options: Alertmanager) -> Alertmanager:
    """With the API's path behind a prefix of the user's own."""
    url = options.url.get_secret_value()
    path = parse(url).path.partition("?")[0].rstrip("/")
    if path.endswith(_PATH):
        return options
    return options.model_copy(update={"url": type(options.url)(url.rstrip("/") + _PATH)})


class _Alerts(Posting):
    def __init__(self, options: Alertmanager, around: Around) -> None:
        self._source, self._lasting_ns = options.source, int(options.remind * _REMINDERS * 1e9)
        self._firing: dict[tuple[str, Key], Notice] = {}
        self._changing = threading.Lock()
        super().__init__(
            options.kind, _with_path(options), around, self._written, self._reminder, options.remind
        )

    def take(self, notice: Notice) -> None:
        with self._changing:
            if notice.state == "firing":
                self._firing[notice.key] = notice
            else:
                self._firing.pop(notice.key, None)
        super().take(notice)

    def _written(self, notice: Notice) -> bytes:
        return json.dumps([self._alert(notice)]).encode("ascii")

    def _reminder(self) -> bytes | None:
        with self._changing:
            firing = list(self._firing.values())
        return json.dumps([self._alert(notice) for notice in firing]).encode("ascii") if firing else None

    def _alert(self, notice: Notice) -> dict[str, Any]:
        clock = self._around.clock
        ends_ns = notice.at_ns if notice.state == "resolved" else clock() + self._lasting_ns
        return {
            "labels": _labels(notice),
            "annotations": {"summary": notice.summary, "value": f"{notice.value:.6g}"},
            "startsAt": utc(notice.fired_ns, clock),
            "endsAt": utc(ends_ns, clock),
            "generatorURL": self._source,
        }


def _labels(notice: Notice) -> dict[str, str]:
    """Names as Prometheus allows them; an alert is known by its labels, so none of them may change while it fires."""
    own = {_NAME.sub("_", name): value for name, value in notice.labels.items() if value}
    return {**own, "alertname": notice.rule, "severity": notice.severity}
