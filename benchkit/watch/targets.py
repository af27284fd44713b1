"""What people name on the command line, and the probes that follow it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchkit.errors import UsageError
from benchkit.hiding import confided
from benchkit.watch.base import Probe

REDIS: Final = ("redis", "rediss", "unix")
RABBITMQ: Final = ("amqp", "amqps")
NATS: Final = ("nats", "tls")
TRACE: Final = "trace:"
_NAMED: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,63})=(.+)", re.DOTALL)
_REMEDY: Final = (
    "write redis://, rediss:// or unix:// with --list or --stream, amqp:// with --queue, nats:// with --stream, "
    "or trace:FOLDER"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be watched at the targets; each target takes what is of its kind."""

    lists: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    management: str | None = None


def probes(targets: Sequence[str], wanted: Wanted) -> list[Probe]:
    """A probe for each target, nothing connected yet; raises UsageError, never with a URL's secrets."""
    if wanted.management is not None:
        wanted = replace(wanted, management=_confided(wanted.management, "--management"))
    found = [_probe(target, wanted) for target in targets]
    kinds = {type(probe).__name__ for probe in found}
    for option, given, takers, where in (
        ("--list", wanted.lists, {"Redis"}, "a Redis"),
        ("--stream", wanted.streams, {"Redis", "Nats"}, "a Redis or a NATS server"),
        ("--group", wanted.groups, {"Redis"}, "a Redis"),
        ("--queue", wanted.queues, {"Rabbitmq"}, "a RabbitMQ"),
        ("--management", wanted.management, {"Rabbitmq"}, "a RabbitMQ"),
        ("--consumer", wanted.consumers, {"Nats"}, "a NATS server"),
    ):
        if given and not kinds & takers:
            raise UsageError(f"no target is {where}, which this is for", where=option)
    return found


def _probe(written: str, wanted: Wanted) -> Probe:
    named = _NAMED.fullmatch(written)
    name, target = (named[1], named[2]) if named else ("", written)
    probe = _made(_confided(target, "TARGET"), wanted)
    if name:
        probe.pipeline = name
    return probe


def _confided(written: str, where: str) -> str:
    try:
        return confided(written)
    except ValueError as error:
        raise UsageError(str(error), where=where, remedy="export NAME=..., and write env:NAME") from None


def _made(target: str, wanted: Wanted) -> Probe:
    scheme = target.partition("://")[0] if "://" in target else ""
    if scheme in REDIS:
        from benchkit.watch.redis import Redis

        if not wanted.lists and not wanted.streams:
            raise UsageError("which key?", where=_safe(target), remedy="add --list KEY or --stream KEY")
        return Redis(target, wanted.lists, wanted.streams, wanted.groups)
    if scheme in RABBITMQ:
        from benchkit.watch.rabbitmq import Rabbitmq

        if not wanted.queues:
            raise UsageError("which queue?", where=_safe(target), remedy="add --queue NAME")
        return Rabbitmq(target, wanted.queues, wanted.management)
    if scheme in NATS:
        from benchkit.watch.nats import Nats

        if not wanted.streams:
            raise UsageError("which stream?", where=_safe(target), remedy="add --stream NAME")
        return Nats(target, wanted.streams, wanted.consumers)
    if scheme:
        raise UsageError("no target that can be watched", where=_safe(target), remedy=_REMEDY)
    from benchkit.watch.trace import Trace

    return Trace(Path(target.removeprefix(TRACE)))


def _safe(target: str) -> str:
    """The scheme alone where the rest may hold a password that was not escaped."""
    from benchkit.transports.urls import shown

    scheme = urlsplit(target).scheme if target.isprintable() else ""
    return shown(target, (*REDIS, *RABBITMQ, *NATS), "target's") if scheme else "TARGET"
