"""One line on the terminal."""

from __future__ import annotations

from typing import ClassVar, Final

from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.sinks.base import Around, Sink, SinkOptions
from benchkit.units import show_seconds

_STYLES: Final = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


class Terminal(SinkOptions):
    """A line on standard error, above the progress."""

    kind: ClassVar[str] = "terminal"

    def open(self, around: Around) -> Sink:
        """Nothing can be wrong with it."""
        return _Lines(around)


class _Lines(Sink):
    def __init__(self, around: Around) -> None:
        self._around = around

    def take(self, notice: Notice) -> None:
        style = _STYLES[notice.severity] if notice.state == "firing" else "green" if notice.well else ""
        self._around.say(line(notice), style)
        self._around.said(notice, Delivered("terminal", self._around.clock()))


def line(notice: Notice) -> str:
    """`ALERT dead: stage-0 has not been heard of for 1.6 s (party stage-0, pipeline shm/raw)`."""
    labels = ", ".join(f"{name} {value}" for name, value in notice.labels.items())
    state = "ALERT" if notice.state == "firing" else "resolved" if notice.well else "ended"
    head = f"{state} {notice.rule}"
    after = ""
    if notice.state == "resolved":
        after = f", after {show_seconds((notice.at_ns - notice.fired_ns) / 1e9)}"
    elif notice.repeat:
        after = f", still, after {show_seconds((notice.at_ns - notice.fired_ns) / 1e9)}"
    text = f"{head}: {notice.summary}{after}" + (f" ({labels})" if labels else "")
    # Labels are what people wrote, and queues what anybody called them: no control characters on a terminal.
    return "".join(each if each.isprintable() else "?" for each in text)
