"""The parties as the runner sees them: started, told what to do, heard, and noticed when they die."""

from __future__ import annotations

import itertools
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchkit.engine.channel import Channel
from benchkit.errors import BY_NAME, BenchkitError, PartyError
from benchkit.hiding import hidden, hide
from benchkit.runtime.child import end, module, module_environment

_MID_MESSAGE_S = 20.0
_MOST_SAID = 64
"""Events of one party that are taken in before somebody looks."""
Pulse = tuple[Callable[[], float], Callable[[], None]]
"""In how many seconds to look, and the look."""


class Party:
    """One process of the run, by its role: `producer`, `stage-0`, ..., `oracle`."""

    def __init__(self, role: str, cores: Sequence[int], log: Path) -> None:
        self.role = role
        self._log = log
        self.dead = ""
        """How it ended, in words; empty while it lives."""
        self.events: dict[int, list[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        ours, theirs = socket.socketpair()
        # A party that was stopped in the middle of a message must not stop the run.
        ours.settimeout(_MID_MESSAGE_S)
        with theirs, log.open("wb") as output:
            fd = theirs.fileno()
            pinned = [",".join(map(str, cores))] if cores else []
            self.process = subprocess.Popen(
                module("benchkit.engine.host", str(fd), str(os.getpid()), role, *pinned),
                env=module_environment(),
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.channel = Channel(ours)

    def post(self, do: str, **data: Any) -> int:
        """Give a command; its events come under the id that is returned."""
        number = next(self._ids)
        self.events[number] = []
        self._send(number, do, data)
        return number

    def tell(self, do: str, **data: Any) -> None:
        """Give a command whose events nobody waits for; they are dropped."""
        self._send(next(self._ids), do, data)

    def _send(self, number: int, do: str, data: dict[str, Any]) -> None:
        # A dead party is noticed where its answer is awaited.
        with suppress(OSError):
            self.channel.send({"id": number, "do": do, **data})

    def hear(self, event: dict[str, Any]) -> None:
        """Keep an event of a command that is not over yet: a run of days must not gather the others'."""
        if event["id"] in self.events:
            self.events[event["id"]].append(event)

    def event(self, number: int, *names: str) -> dict[str, Any] | None:
        """The first event of a command with one of these names, if it has come."""
        return next((event for event in self.events.get(number, ()) if event["event"] in names), None)

    def last_words(self) -> str:
        """The last line that the process printed: why it died, often."""
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            return hide(lines[-1])[:300] if lines else ""
        return ""

    def forget(self, number: int) -> None:
        """Drop the events of a command that is over."""
        self.events.pop(number, None)


def _event(message: dict[str, Any]) -> dict[str, Any]:
    """A party's process runs plug-ins: what it says is looked at before it is believed. Raises EOFError."""
    if type(message.get("id")) is int and isinstance(message.get("event"), str):
        return message
    raise EOFError("an event of a party says what it is of and what it is")


def _public(event: dict[str, Any]) -> dict[str, Any]:
    """What a party tells may quote what it was told: the address of a transport is for others and stays as it is."""
    return event if event.get("event") == "ready" else cast("dict[str, Any]", hidden(event))


@dataclass(frozen=True, slots=True)
class Asked:
    """A command under way."""

    party: Party
    do: str
    number: int


class Crew:
    """All parties of a run. Used from one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parties: dict[str, Party] = {}
        self._selector = selectors.DefaultSelector()
        self._cores: dict[str, tuple[int, ...]] = {}
        self._pulse: Pulse | None = None

    def place(self, cores: dict[str, tuple[int, ...]]) -> None:
        """Which cores a role gets when it is started next."""
        self._cores = cores

    def get(self, role: str) -> Party:
        """The party of this role, started when there is none or the last one died."""
        party = self._parties.get(role)
        if party is not None and not party.dead:
            return party
        party = Party(role, self._cores.get(role, ()), self._folder / f"{role}.log")
        self._parties[role] = party
        self._selector.register(party.channel, selectors.EVENT_READ, party)
        return party

    def pids(self) -> dict[str, int]:
        """The processes that live, by role."""
        return {role: party.process.pid for role, party in self._parties.items() if not party.dead}

    def pump(self, timeout_s: float) -> None:
        """Take in what the parties say, waiting at most `timeout_s` for something."""
        if self._pulse is None:
            self._take_in(timeout_s)
            return
        due_s, look = self._pulse
        self._take_in(min(timeout_s, max(0.0, due_s())))
        if due_s() <= 0:
            # Everything that was said is heard before anybody is called silent.
            for _ in range(_MOST_SAID):
                if not self._take_in(0):
                    break
            look()

    @contextmanager
    def pulsed(self, due_s: Callable[[], float], look: Callable[[], None]) -> Iterator[None]:
        """While somebody is waited for, `look` is called when the seconds that `due_s` tells are over."""
        self._pulse = due_s, look
        try:
            yield
        finally:
            self._pulse = None

    def _take_in(self, timeout_s: float) -> bool:
        """One event of each party that has one; whether there was any."""
        found = self._selector.select(timeout_s)
        for key, _ in found:
            party: Party = key.data
            try:
                event = _event(party.channel.recv())
            except (EOFError, ValueError):
                self._bury(party)
            else:
                party.hear(_public(event))
        return bool(found)

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Pump until `done()`; False when the time is up first."""
        until = time.monotonic() + timeout_s
        while not done():
            left = until - time.monotonic()
            if left <= 0:
                return False
            self.pump(min(left, 0.5))
        return True

    def begin(self, party: Party, do: str, **data: Any) -> Asked:
        """Give a command whose answer is asked for later."""
        return Asked(party, do, party.post(do, **data))

    def answer(self, asked: Asked, timeout_s: float, name: str = "done") -> dict[str, Any]:
        """The event of this name; raises what the party reports, or PartyError when it died or is too slow."""
        party, number = asked.party, asked.number
        self.wait(lambda: bool(party.dead or party.event(number, name, "failed")), timeout_s)
        answer = party.event(number, name, "failed")
        if name == "done":
            party.forget(number)
        if answer is None:
            raise PartyError(
                party.dead or f"no answer to {asked.do!r} within {timeout_s:.0f} s", where=party.role
            )
        if answer["event"] == "failed":
            raise reported(answer, party.role)
        return answer

    def ask(self, party: Party, do: str, timeout_s: float, **data: Any) -> dict[str, Any]:
        """A command and its answer."""
        return self.answer(self.begin(party, do, **data), timeout_s)

    def _bury(self, party: Party) -> None:
        self._selector.unregister(party.channel)
        party.channel.close()
        end(party.process, grace_s=0.5)
        code = party.process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        words = party.last_words()
        party.dead = f"the process {how}" + (f": {words}" if words else "")

    def dismiss(self, role: str) -> None:
        """End one party."""
        party = self._parties.pop(role, None)
        if party is not None and not party.dead:
            self._bury(party)

    def close(self) -> None:
        """End them all: closing the channels first lets them end side by side."""
        for party in self._parties.values():
            if not party.dead:
                self._selector.unregister(party.channel)
                party.channel.close()
        for party in self._parties.values():
            end(party.process, grace_s=2.0)
        self._selector.close()


def reported(event: dict[str, Any], role: str) -> BenchkitError:
    """The error that a party reported, as one to raise here."""
    cls = BY_NAME.get(event["type"], PartyError)
    error = cls(event["what"], where=event["where"] or role, remedy=event["remedy"])
    error.add_note(event["traceback"])
    return error


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """Parties that are gone when this ends, whatever happened; what they print goes into `folder`."""
    members = Crew(folder)
    try:
        yield members
    finally:
        members.close()
