"""Links that cannot be, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from benchkit.link.options import LinkOptions
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import BlockOptions
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.transports.base import Transport
from benchkit.units import show_us

_TAIL: Final = 3
"""Standard deviations of a delay within which nearly all messages are."""


def refuse_link(found: Sequence[Cell], blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    """Note links without a connection to stand in, with options that a stream has not, or longer than the drain."""
    for cell in found:
        link = cast("LinkOptions", cell.choices["link"].value)
        if not link.absent:
            _connection(cell, link, problems)
            _packets(cell, link, problems)
            _drain(link, blocks, blocks_at, problems)


def _connection(cell: Cell, link: LinkOptions, problems: Problems) -> None:
    choice, transport = cell.choices["transport"], cast("Transport", cell.choices["transport"].value)
    promised = transport.capabilities()
    if not promised.reroutable:
        without = f"exclude: [{{transport: {choice.kind}, link: {link.profile}}}]"
        problems.add(
            _written(cell, "profile"),
            f"transport {choice.kind} has no TCP or UDP connection that a link could impair",
            f"transport.{promised.reroutable_with}, or {without}"
            if promised.reroutable_with
            else f"a transport over TCP such as http, or {without}",
        )
    elif link.side != "producer" and transport.brokerless:
        problems.add(
            _written(cell, "side"),
            f"with transport {choice.kind} producer and stage meet directly: there is one link only",
            "side: producer",
        )


def _packets(cell: Cell, link: LinkOptions, problems: Problems) -> None:
    """What a profile says of packets is left out for a stream and noted; what somebody wrote is not ignored."""
    if cast("Transport", cell.choices["transport"].value).capabilities().datagrams:
        return
    for name in link.of_packets():
        problems.add(
            _written(cell, name.partition(".")[0]),
            f"link: {name}: TCP loses, doubles and reorders nothing that its ends could see",
            "leave it out: to a stream, trouble with packets shows as delay and blackouts",
        )


def _drain(link: LinkOptions, blocks: BlockOptions, blocks_at: Where, problems: Problems) -> None:
    """Silence for half of the drain counts as loss, and a link may be silent for as long as it delays."""
    both = [link.impairment(way) for way in ("up", "down")]
    silent_s = sum(max(one.delay_ns + _TAIL * one.jitter_ns, *one.table_ns, 0) for one in both) / 1e9
    silent_s += max((dark.lasts_ns / 1e9 for one in both for dark in one.blackouts), default=0.0)
    if silent_s > blocks.drain / 2:
        problems.add(
            blocks_at,
            f"a link that is silent for up to {show_us(silent_s * 1e6)} and a drain of {show_us(blocks.drain * 1e6)}: "
            "messages under way would be counted as lost",
            f"blocks.drain: {2 * silent_s:.3g}s or more",
        )


def _written(cell: Cell, option: str) -> Where:
    choice = cell.choices["link"]
    return choice.places.get(option, choice.where)
