"""The seam: a fault is done to a cell under load, undone, and shows that it bit; `benchkit.faults` registers it.

::

    before the transport   fault.refuses(transport) -> why not      fault.arranged(transport) -> as it needs it
    before the load        fault.arrange(scene)
    at its moment          fault.inject(scene)                      `Trial.injected_ns` is just before
    after `lasting`        fault.heal(scene)                        `Trial.healed_ns` is just after
    when all is quiet      fault.proof(scene) -> evidence, or ""    "" makes the trial invalid

A fault holds options alone, so one object serves many trials; what it must remember from `inject` to `proof` it
keeps in `scene.memory[self]`. It does nothing to the machine that outlives its trial: what a scene starts, the
scene ends, and what a fault makes lies in `scene.folder` or is undone through `scene.undo`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from benchkit.link.options import Side
from benchkit.link.process import OpenLink
from benchkit.plugins import Plugin, Registry
from benchkit.transports.base import Address, Setup, Transport
from benchkit.units import Seconds

__all__ = ["PARTIES", "Died", "Fault", "Moment", "Party", "Scene", "registry"]

Party = Literal["producer", "stage", "broker"]
PARTIES: tuple[Party, ...] = ("producer", "stage", "broker")
Moment = Literal["idle", "mid-message", "backlog", "any"]
"""Nothing under way; a worker has received a message and not acknowledged it; a queue stands; a seeded instant."""


@dataclass(frozen=True, slots=True)
class Died:
    """The end of a process, as `waitpid` or the kernel's table told it."""

    party: str
    pid: int
    at_ns: int
    signal: int
    """Which signal ended it; 0 where it ended otherwise."""
    how: str
    """In words: `exit status -9, seen by waitpid`."""


class Scene(Protocol):
    """One cell under load, for whoever does something to it. Used from one thread."""

    transport: Transport
    address: Address
    """As `prepare` gave it."""
    setup: Setup
    folder: Path
    """Private, this trial's own; removed at its end."""
    seed: int
    """For whatever a fault draws."""
    memory: dict[Any, Any]
    """What faults keep from `inject` to `proof`, by the fault."""
    undo: ExitStack
    """Closed at the trial's end, whatever happens, after the parties are gone."""

    @property
    def log(self) -> Sequence[Died]:
        """Processes that ended so far, in order."""

    def now_ns(self) -> int:
        """The host's monotonic clock."""

    def wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, parties being watched meanwhile; True as soon as `until()` holds, else False."""

    def note(self, text: str) -> None:
        """A sentence for the trial's notes."""

    # Processes

    def pids(self, party: Party) -> tuple[int, ...]:
        """Of those that live."""

    def kill(self, party: Party, which: int | None = None) -> tuple[Died, ...]:
        """SIGKILL one of them and see it gone; it is started again at once, unless that is held.

        Which one: number `which` of those that live, else the one that the trial's moment is about, else one drawn.
        """

    def stop(self, party: Party, which: int | None = None) -> tuple[int, ...]:
        """SIGSTOP, likewise; the pids of which the kernel shows every thread in state T."""

    def cont(self, party: Party) -> None:
        """SIGCONT to those that `stop` stopped."""

    def hold_restarts(self, party: Party) -> None:
        """Leave this party dead when it dies, until `restart`."""

    def restart(self, party: Party) -> None:
        """Start those of this party that are dead, and let them be started again from here on.

        A producer or worker is ready a little later; a broker (`revive_broker`) when this returns.
        """

    def revive_broker(self, *, keep_data: bool) -> None:
        """Start the broker that died anew at the same address; raises BrokerError where it cannot be."""

    # What the parties do

    def count(self, *what: str) -> int:
        """Events of these names (`SENT`, `RECEIVED`, `BROKEN`, ...) in all journals so far."""

    def ready(self, party: Party) -> bool:
        """All of this party live and are ready for messages."""

    def done_by(self, pids: Sequence[int]) -> str:
        """What these processes have done so far, as far as can be told: events, heartbeats, CPU time."""

    def next_seq(self) -> int:
        """A number that the producer has not taken yet, and will."""

    def of(self, seq: int) -> Mapping[str, int]:
        """How often each event happened to one message so far, by its name; what never did is left out."""

    def service_ns(self, from_ns: int = 0, until_ns: int = 1 << 62) -> Sequence[int]:
        """How long the stage took for each message that it began within these moments."""

    def step_clock(self, party: Party, seconds: float) -> None:
        """The wall clock of this party's Python code is so far from the machine's from now on; 0: as it is."""

    def clocks(self, party: Party) -> Sequence[Mapping[str, Any]]:
        """What its processes saw of that: `offset_ns`, `seen_ns` (the step as they read it), `readers` by module."""

    def slow_stage(self, seconds: float) -> None:
        """Each message costs the workers so much more from now on; 0: nothing."""

    def poison(self, seq: int, *, fatal: bool = False) -> None:
        """The stage raises on this message each time it comes; with `fatal` its worker dies of it. -1: no more."""

    @property
    def links(self) -> Mapping[str, OpenLink]:
        """The built-in proxy's links by side (`producer`, `stage`); none where the fault is not `led`."""


class Fault(Plugin):
    """Something that goes wrong; options are the fields."""

    moment: Moment = Field("any", description="what the cell is doing when it happens")
    at: Seconds | None = Field(
        None, description="seconds after the control band; by default seeded, within half a second"
    )
    lasting: Seconds = Field(0.5, description="how long until it is undone")

    @property
    def led(self) -> bool:
        """Connections of the cell go through the built-in proxy."""
        return False

    @property
    def link_side(self) -> Side:
        """Whose connections go through it."""
        return "producer"

    @property
    def parties(self) -> tuple[Party, ...]:
        """Whose processes it hits; those must be there."""
        return ()

    def label(self) -> str:
        """Short, for tables: `kill stage`."""
        return " ".join([self.kind, *self.parties])

    def refuses(self, transport: Transport) -> str:
        """Why it cannot be done to a cell with this transport; "" where it can. Nothing runs yet."""
        if "broker" not in self.parties:
            return ""
        if transport.brokerless:
            return f"{transport.kind} has no broker"
        return "" if transport.capabilities().revives else "its broker is not the run's own"

    def arranged(self, transport: Transport) -> Transport:
        """The transport as it must be for this fault: a broker that keeps its data, a smaller segment."""
        return transport

    def arrange(self, scene: Scene) -> None:
        """Before the load begins: the parties are ready."""

    @abstractmethod
    def inject(self, scene: Scene) -> None:
        """Do it. May wait with `scene.wait`, where it takes several steps."""

    def heal(self, scene: Scene) -> None:
        """Undo it; called after `lasting`, and again at the end where the trial broke off: twice must do no harm."""

    @abstractmethod
    def proof(self, scene: Scene) -> str:
        """The evidence that it bit, in a sentence; "" where it did not."""


registry: Registry[Fault] = Registry("benchkit.faults", "fault", Fault)
