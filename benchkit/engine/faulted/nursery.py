"""The process that forks parties, as the supervisor sees it.

A party that is forked from a process which has its modules loaded and its messages made is up in milliseconds. So
what a restart costs here is opening the stage and the ends, not starting an interpreter.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchkit.engine.channel import Channel
from benchkit.engine.crew import reported
from benchkit.engine.faulted.roles import Role
from benchkit.errors import PartyError
from benchkit.runtime.child import child

_START_S: Final = 30.0
_ANSWER_S: Final = 120.0
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Ended:
    """What waitpid said of a party."""

    pid: int
    code: int
    """As subprocess has it: minus the signal that ended it."""
    at_ns: int


class Nursery:
    """Forks parties; used from one thread."""

    def __init__(self, sock: socket.socket, log: Path) -> None:
        self._channel = Channel(sock)
        self._ids = itertools.count(1)
        self._ended: list[Ended] = []
        self._log = log
        self.gone = False
        """Its process ended, and every party with it."""
        self._answer(0, "ready", _START_S)

    def fileno(self) -> int:
        """Readable when somebody ended."""
        return self._channel.fileno()

    def size(self, **cell: Any) -> Mapping[str, Any]:
        """`message_bytes`, `longest_bytes`, `reply_bytes`, `arrays` of a cell, and its messages are made.

        Raises what making them raises.
        """
        return self._ask("size", "sized", **cell)

    def fork(self, role: Role, log: Path) -> int:
        """Start a party; its process."""
        return int(self._ask("fork", "forked", role=role.plain(), log=str(log))["pid"])

    def ended(self, timeout_s: float) -> list[Ended]:
        """Who ended since this was asked last; waits so long for the first."""
        until = timeout_s if not self._ended else 0.0
        while select.select((self._channel,), (), (), until)[0]:
            self._take()
            until = 0.0
        found, self._ended = self._ended, []
        return found

    def _ask(self, do: str, name: str, **data: Any) -> dict[str, Any]:
        number = next(self._ids)
        try:
            self._channel.send({"do": do, "id": number, **data})
        except OSError:
            raise self._gone() from None
        return self._answer(number, name, _ANSWER_S)

    def _answer(self, number: int, name: str, timeout_s: float) -> dict[str, Any]:
        while select.select((self._channel,), (), (), timeout_s)[0]:
            event = self._take()
            if event["id"] == number and event["event"] == name:
                return event
            if event["event"] == "failed":
                raise reported(event, "nursery")
        raise PartyError(f"no answer within {timeout_s:.0f} s", where="nursery")

    def _take(self) -> dict[str, Any]:
        try:
            event = self._channel.recv()
        except EOFError:
            raise self._gone() from None
        if event["event"] == "ended":
            self._ended.append(Ended(event["pid"], event["code"], event["at_ns"]))
        return event

    def _gone(self) -> PartyError:
        self.gone = True
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return PartyError(
            "the process that starts the parties is gone" + (f": {lines[-1][:300]}" if lines else ""),
            where="nursery", remedy="see what ended it: the system's log, a limit on memory",
        )  # fmt: skip

    def close(self) -> None:
        """Its process ends, and with it all that it forked."""
        self._channel.close()


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """One that is gone when this ends, with all its parties; what it prints goes into `folder`."""
    ours, theirs = socket.socketpair()
    log = folder / "nursery.log"
    fd = theirs.fileno()
    argv = [sys.executable, "-m", "benchkit.engine.faulted.hatchery", str(fd)]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        ours, log.open("wb") as output,
        child(argv, env={"PYTHONPATH": os.pathsep.join(paths)}, output=output, pass_fds=[fd], grace_s=0.2),
    ):  # fmt: skip
        theirs.close()
        made = Nursery(ours, log)
        try:
            yield made
        finally:
            made.close()
