"""Where a run lives on the machine: its private folder, and what its cells share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

from benchkit.engine import usage
from benchkit.runtime.folders import PREFIX
from benchkit.transports.base import Address, ArraySpec, Setup

T = TypeVar("T")

Specs = tuple[ArraySpec, ...]


class Site:
    """Where a run lives on the machine, and what its cells share until it ends (a broker)."""

    def __init__(self, name: str, folder: Path, services: ExitStack) -> None:
        self.name = name
        self.folder = folder
        self.services = services
        self._shared: dict[str, Any] = {}
        self._brokers: set[int] = set()
        self.deaths = 0
        """Brokers that died and were replaced."""
        self._opened = 0

    def share(self, key: str, make: Callable[[], AbstractContextManager[T]]) -> T:
        """Enter `make()` once; see `Setup.share`."""
        if key not in self._shared:
            self._shared[key] = self.services.enter_context(make())
        value: T = self._shared[key]
        return value

    def opened(self, address: Address) -> None:
        """A transport is up: its broker is watched from now on."""
        if address.broker_pid is not None:
            self._brokers.add(address.broker_pid)

    def replaced(self, before: int | None, now: int | None) -> None:
        """A broker that was shared was started anew where it was (`Transport.revive`): it is still the one shared."""
        if now is not None and before in self._brokers:
            self._brokers.discard(before)
            self._brokers.add(now)

    def look(self) -> None:
        """After a broker's death, what was shared is made anew."""
        dead = {pid for pid in self._brokers if not usage.lives(pid)}
        if dead:
            # Which of the shared services it was is not known here; another one of the others does no harm.
            self._brokers -= dead
            self._shared.clear()
            self.deaths += len(dead)

    def setup(
        self,
        message_bytes: int,
        reply_bytes: int,
        workers: int,
        producers: int = 1,
        *,
        arrays: tuple[Specs, Specs] = ((), ()),
    ) -> Setup:
        """A fresh name and folder each time: nothing that an earlier block left behind can be met again."""
        self._opened += 1
        local = f"{self._opened:x}"
        folder = self.folder / local
        folder.mkdir(mode=0o700)
        name = f"{PREFIX}{self.name}-{local}"
        return Setup(name, folder, message_bytes, reply_bytes, workers, self.share, producers, *arrays)
