"""Traffic control that cannot be, refused before anything runs; each with the smallest remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from benchkit.flow.options import FlowOptions
from benchkit.load.base import ClosedArrival
from benchkit.load.search import Backlog
from benchkit.scenario.cells import Cell
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.transports.base import Transport

Wrong = tuple[str, str, str]
"""The option that is wrong, what is wrong with it, and the remedy."""


def refuse_flow(found: Sequence[Cell], problems: Problems) -> None:
    """Note options that contradict the load, the replies, the batch or the transport of their cell."""
    for cell in found:
        flow = cast("FlowOptions", cell.choices["flow"].value)
        if flow.absent:
            continue
        for check in (_replies, _load, _transport, _batch):
            for option, what, remedy in check(cell, flow):
                problems.add(_written(cell, option), f"flow: {what}", remedy)


def _replies(cell: Cell, flow: FlowOptions) -> Iterator[Wrong]:
    option = flow.needs_replies
    if option and not _value(cell, "replies").replies:
        yield option, f"{option} needs replies: without them nobody knows what arrived", "replies: true"


def _load(cell: Cell, flow: FlowOptions) -> Iterator[Wrong]:
    load = _value(cell, "load")
    if isinstance(load, ClosedArrival):
        if flow.policy != "block":
            what = f"{flow.policy} in a closed loop: nothing is due before there is a place for it"
            yield "policy", what, "policy: block, or an open arrival such as constant"
        for option in ("credits", "adapt", "queue"):
            if getattr(flow, option):
                what = f"{option} in a closed loop, whose places are what may be in flight and wait"
                yield option, what, "load.in_flight instead, or an open arrival such as constant"
        if flow.excess == "drop":
            what = "excess: drop in a closed loop: a place whose message is dropped is free again at once"
            yield "excess", what, "excess: wait, or an open arrival such as constant"
    if isinstance(load, Backlog):
        if flow.policy != "block" or flow.excess == "drop":
            what = (
                "everything in a backlog is due at once: what does not fit would be dropped and never drained"
            )
            yield ("policy" if flow.policy != "block" else "excess"), what, "policy: block without excess"
        for option in ("credits", "adapt", "rate", "deadline"):
            if getattr(flow, option):
                what = f"{option} keeps a backlog from being filled before it is drained"
                yield option, what, f"leave {option} out, or an open arrival such as mmpp"


def _transport(cell: Cell, flow: FlowOptions) -> Iterator[Wrong]:
    choice = cell.choices["transport"]
    promised = cast("Transport", choice.value).capabilities()
    tells = promised.refuses or promised.datagrams  # UDP's ends find out what was lost
    if flow.retry is not None and flow.timeout is None and not tells:
        what = (
            f"retry, but transport {choice.kind} refuses nothing and no timeout says when a reply is missing"
        )
        yield "retry", what, "timeout: 500ms, say, or a transport that refuses, such as http with a queue"
    if flow.deadline is not None and promised.external_stage:
        what = "deadline: a server of somebody else's does not know when a message was due"
        yield "deadline", what, "timeout, which holds at the producer alone"
    if promised.drops:
        for option in ("credits", "adapt"):
            if getattr(flow, option) or (option == "credits" and flow.policy == "latest-only"):
                what = (
                    f"{option} with a transport that drops by itself: the credit of what it dropped is gone"
                )
                yield option, what, f"leave maxlen of transport {choice.kind} out"
    if promised.in_place:
        what = "messages that stand in the transport's memory beforehand have no queue to wait in"
        yield "policy", what, f"loan: false for transport {choice.kind}, or no flow"


def _batch(cell: Cell, flow: FlowOptions) -> Iterator[Wrong]:
    """A batch that can never fill waits its whole delay each time."""
    size, producers = _value(cell, "batch").size, _value(cell, "producers").producers
    if flow.credits is not None and size > flow.credits * producers:
        what = f"a batch of {size} can never fill: {flow.credits * producers} credits"
        yield "credits", what, f"credits: {-(-size // producers)}, or batch.size: {flow.credits * producers}"


def _value(cell: Cell, axis: str) -> Any:
    return cell.choices[axis].value


def _written(cell: Cell, option: str) -> Where:
    choice = cell.choices["flow"]
    return choice.places.get(option, choice.where)
