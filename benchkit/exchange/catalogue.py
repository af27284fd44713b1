"""Every contender by name. What it needs is imported when its ends are opened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from benchkit.exchange.base import Far, Near, Spot

Role = Literal["floor", "transport", "recipe"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A floor or a recipe; `near` and `far` are classes as `module:name` below this package."""

    name: str
    role: Role
    says: str
    """For people, in a few words."""
    near: str
    far: str = ""
    """Empty where one process does it all, or where the producer's process starts the consumer itself."""
    carries: bool = True
    """Its time depends on the message's length."""
    broker: bool = False
    """It needs the URL of a broker in its spot."""
    linux: bool = False
    beside: str = ""
    """A recipe: the transport that does the same."""


_FLOORS = (
    Contender("memcpy", "floor", "one copy within a process", "memory:Memcpy"),
    Contender("spin", "floor", "a flag, both sides spin", "memory:SpinNear", "memory:SpinFar", carries=False),
    Contender(
        "futex", "floor", "a flag, both sides sleep", "wake:FutexNear", "wake:FutexFar", carries=False, linux=True
    ),
    Contender(
        "eventfd", "floor", "an eventfd, both sides sleep", "wake:EventfdNear", "wake:EventfdFar",
        carries=False, linux=True,
    ),
    Contender("memcpy-spin", "floor", "a copy into shared memory, a flag", "memory:CopyNear", "memory:CopyFar"),
    Contender("unix-socket", "floor", "one send over a Unix socket", "sockets:UnixNear", "sockets:UnixFar"),
    Contender("tcp-socket", "floor", "one send over loopback TCP", "sockets:TcpNear", "sockets:TcpFar"),
    Contender("raw-http", "floor", "a POST by hand", "sockets:HttpNear", "sockets:HttpFar"),
    Contender("resp-list", "floor", "redis-list's commands", "resp:ListNear", "resp:ListFar", broker=True),
    Contender("resp-stream", "floor", "redis-stream's commands", "resp:StreamNear", "resp:StreamFar", broker=True),
)  # fmt: skip
_RECIPES = (
    Contender(
        "redis-py-list", "recipe", "redis-py: rpush, blpop", "recipes.redis_py:ListNear", "recipes.redis_py:ListFar",
        broker=True, beside="redis-list",
    ),
    Contender(
        "redis-py-stream", "recipe", "redis-py: xadd, xreadgroup", "recipes.redis_py:StreamNear",
        "recipes.redis_py:StreamFar", broker=True, beside="redis-stream",
    ),
    Contender(
        "requests", "recipe", "requests to a plain ASGI app", "recipes.http_clients:RequestsNear",
        "recipes.asgi:AsgiFar", beside="http",
    ),
    Contender(
        "httpx", "recipe", "httpx to a plain ASGI app", "recipes.http_clients:HttpxNear", "recipes.asgi:AsgiFar",
        beside="http",
    ),
    Contender("multiprocessing", "recipe", "multiprocessing.Queue", "recipes.processes:QueueNear", beside="shm"),
)  # fmt: skip
CATALOGUE = {each.name: each for each in (*_FLOORS, *_RECIPES)}


def here(contender: Contender) -> bool:
    """Whether this system has what it is about."""
    return sys.platform == "linux" or not contender.linux


def _class(target: str) -> Callable[[Spot], object]:
    module, _, name = target.partition(":")
    found: Callable[[Spot], object] = getattr(import_module(f"{__package__}.{module}"), name)
    return found


def open_near(name: str, spot: Spot) -> Near:
    """The producer's end; raises MissingLibrary, BrokerError or OSError."""
    near = _class(CATALOGUE[name].near)(spot)
    assert isinstance(near, Near)  # noqa: S101  (a fact about the table above)
    return near


def open_far(name: str, spot: Spot) -> Far:
    """The consumer's end; likewise."""
    far = _class(CATALOGUE[name].far)(spot)
    assert isinstance(far, Far)  # noqa: S101  (a fact about the table above)
    return far
