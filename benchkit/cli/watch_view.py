"""What a round of `benchkit watch` looks like: a table on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from benchkit.units import show_seconds, show_us
from benchkit.watch.base import Look, Party, Queue
from benchkit.watch.observing import Flow
from benchkit.watch.watch import Round, Seen

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_PARTIES: Final = 8
"""Shown of one target, those that need looking at first."""
_COLUMNS: Final = ("depth", "grows/s", "oldest", "in/s", "out/s", "pending", "cons.")
_LEAST_QUEUE: Final = 12
_UNKNOWN, _NONE = "?", "-"


def table(now: Round, firing: int, footer: str) -> RenderableType:
    """All targets, for a terminal of 80 columns or more."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for target in now.targets:
        parts.append(_heading(target))
        if target.look is not None:
            if target.look.queues:
                parts.append(_queues(target.look.queues, target.flows))
            parts += [Text(f"  {line}", style="dim", overflow="fold") for line in _small_print(target.look)]
    alerts = Text(f"{firing} firing" if firing else "nothing fires", style="bold red" if firing else "green")
    parts.append(Text.assemble(alerts, (f" - {footer}", "dim")))
    return Group(*parts)


def _heading(target: Seen) -> RenderableType:
    from rich.text import Text

    name = _plain(target.pipeline)
    if target.look is None:
        return Text.assemble((name, "bold"), " ", ("DOWN", "bold red"), f" {_plain(target.why)}")
    line = Text.assemble((name, "bold"))
    for party in _shown(target.look.parties):
        line.append("  ")
        line.append(_party(party), style="bold red" if party.alive is False else "dim")
    hidden = len(target.look.parties) - MOST_PARTIES
    return line.append(f"  and {hidden} more", style="dim") if hidden > 0 else line


def _shown(parties: Sequence[Party]) -> list[Party]:
    order = {False: 0, True: 1, None: 2}
    return sorted(parties, key=lambda party: (order[party.alive], -(party.idle_s or 0)))[:MOST_PARTIES]


def _party(party: Party) -> str:
    state = {True: " up", False: " GONE", None: ""}[party.alive]
    idle = f" idle {show_seconds(party.idle_s)}" if party.idle_s is not None and party.idle_s >= 1 else ""
    return f"{_plain(party.name)}{state}{idle}"


def _queues(queues: Sequence[Queue], flows: dict[str, Flow]) -> Table:
    from rich.table import Table

    made = Table(box=None, padding=(0, 1), pad_edge=True, header_style="dim", expand=False)
    made.add_column("queue", overflow="ellipsis", no_wrap=True, min_width=_LEAST_QUEUE, max_width=32)
    for column in _COLUMNS:
        made.add_column(column, justify="right", no_wrap=True)
    for queue in queues:
        made.add_row(_plain(queue.name), *_cells(queue, flows[queue.name]))
    return made


def _cells(queue: Queue, flow: Flow) -> Iterator[str]:
    yield _count(queue.depth)
    yield _UNKNOWN if flow.grows is None else f"{flow.grows:+.1f}" if abs(flow.grows) >= 0.05 else "0"
    yield _age(queue)
    yield _rate(flow.arrives)
    yield _rate(flow.leaves)
    yield _count(queue.pending)
    yield _count(queue.consumers)


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _rate(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _age(queue: Queue) -> str:
    if queue.oldest_s is None or (queue.at_least and not queue.oldest_s):
        return _UNKNOWN
    if queue.depth == 0:
        return _NONE
    shown = show_us(queue.oldest_s * 1e6) if queue.oldest_s < 60 else show_seconds(queue.oldest_s)
    return f">{shown}" if queue.at_least else shown


def _small_print(look: Look) -> Iterator[str]:
    for queue in look.queues:
        if queue.note:
            yield f"{_plain(queue.name)}: {_plain(queue.note)}"
    for party in look.parties:
        if party.note:
            yield f"{_plain(party.name)}: {_plain(party.note)}"
    yield from map(_plain, look.notes)


def lines(now: Round, since_s: float) -> Iterator[str]:
    """The same as lines, one for each queue and for each party that is gone."""
    head = f"[{since_s:6.1f} s]"
    for target in now.targets:
        name = _plain(target.pipeline)
        if target.look is None:
            yield f"{head} {name}: DOWN, {_plain(target.why)}"
            continue
        for queue in target.look.queues:
            told = zip(_COLUMNS, _cells(queue, target.flows[queue.name]), strict=True)
            yield f"{head} {name} {_plain(queue.name)}: " + ", ".join(f"{name} {cell}" for name, cell in told)
        for party in target.look.parties:
            if party.alive is False:
                yield f"{head} {name} {_plain(party.name)}: GONE" + (
                    f", {_plain(party.note)}" if party.note else ""
                )


def _plain(text: str) -> str:
    """What servers and other programs call things: no control characters on a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)
