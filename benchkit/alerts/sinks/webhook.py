"""JSON by HTTP POST, in the form of Slack's incoming webhooks: a `text`, and an attachment with a colour and fields.

Slack and those who understand its form want no other keys at the top: programs are told more with `form: plain`.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from benchkit.alerts.notice import Notice
from benchkit.alerts.sinks.base import Around, Sink, utc, wall_s
from benchkit.alerts.sinks.posting import Posting, PostingOptions
from benchkit.alerts.sinks.terminal import line

_COLOURS: Final = {"info": "#439fe0", "warning": "warning", "critical": "danger"}
_UNKNOWN: Final = "#808080"
"""Of what ended and is not known to be well."""


class Webhook(PostingOptions):
    """JSON to an address of yours, in the form that Slack's incoming webhooks take."""

    kind: ClassVar[str] = "webhook"

    form: Literal["slack", "plain"] = Field(
        "slack", description="slack: text and attachments; plain: text and the notice's own fields"
    )

    def open(self, around: Around) -> Sink:
        """A thread that sends; nothing is sent before the first notice."""
        made = slack if self.form == "slack" else plain
        return Posting(self.kind, self, around, lambda notice: _json(made(notice, around)))


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=True, allow_nan=False).encode("ascii")


def _escaped(text: str) -> str:
    # Slack reads <...> and & as its own marks ("Formatting text for app surfaces", Escaping text): a consumer may
    # call itself <!channel>.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def slack(notice: Notice, around: Around) -> dict[str, Any]:
    """A message with one attachment: coloured, the labels as its fields."""
    text = _escaped(line(notice))
    fields = [
        {"title": _escaped(name), "value": _escaped(value), "short": True}
        for name, value in notice.labels.items()
    ]
    return {
        "text": text,
        "attachments": [
            {
                "color": _colour(notice),
                "fallback": text,
                "fields": [
                    {"title": "state", "value": notice.state, "short": True},
                    {"title": "severity", "value": notice.severity, "short": True},
                    *fields,
                ],
                "footer": "benchkit",
                "ts": int(wall_s(notice.at_ns, around.clock)),
            }
        ],
    }


def _colour(notice: Notice) -> str:
    if notice.state == "firing":
        return _COLOURS[notice.severity]
    return "good" if notice.well else _UNKNOWN


def plain(notice: Notice, around: Around) -> dict[str, Any]:
    """`text`, and every field of the notice; its moments as UTC."""
    return {
        "text": line(notice),
        "state": notice.state,
        "rule": notice.rule,
        "severity": notice.severity,
        "labels": dict(notice.labels),
        "value": notice.value,
        "summary": notice.summary,
        "since": utc(notice.since_ns, around.clock) if notice.since_ns else None,
        "at": utc(notice.at_ns, around.clock),
        "fired": utc(notice.fired_ns, around.clock),
        "repeat": notice.repeat,
    }
