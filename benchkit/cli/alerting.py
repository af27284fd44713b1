"""Alerts of a command: their lines on the terminal, and the plan's rules at work while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.alerts import Alerting, AlertOptions


def lines(console: Console) -> Callable[[str, str], None]:
    """Prints one line in a style; what it says is text and no markup, and is never folded."""
    from rich.text import Text

    def say(text: str, style: str) -> None:
        console.print(Text(text, style), soft_wrap=True)

    return say


@contextmanager
def alerted(options: AlertOptions | None, console: Console) -> Iterator[Alerting | None]:
    """The rules at work with their sinks open; None where none are set."""
    if options is None:
        yield None
        return
    from benchkit.alerts import alerting

    with alerting(options, lines(console)) as alerts:
        yield alerts
