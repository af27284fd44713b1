"""The broker's disk is full: writes fail with ENOSPC until there is room again."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from benchkit.faults.base import Fault, Scene
from benchkit.faults.filling import Filler
from benchkit.runtime.disk import why_no_disk
from benchkit.transports.base import Transport
from benchkit.units import Bytes, show_bytes

_PATIENCE_S: Final = 2.0
"""For so long after there is room again a broker may take to come back by itself."""
_UNCONFIRMED: Final = 3
"""More of them than may be under way to a broker that has room."""
_NOTED: Final = ("REJECTED", "BROKEN", "UNSENT")
_STILL_S: Final = 0.1
"""A broker that has messages for an idle worker and hands out none of them for so long is stuck."""


_Seen = tuple[int, int, int, int]


class FullDisk(Fault):
    """Fill the disk on which the broker of the run's own keeps its files, for `lasting`

    The disk is a tmpfs of `size` in a mount namespace of its own: nothing else is on it. A broker that dies of it is
    started anew with its data once there is room; one that does not come back by itself too.
    """

    kind: ClassVar[str] = "full-disk"

    size: Bytes = Field(128 << 20, ge=4 << 20, le=4 << 30, description="of the disk")

    def refuses(self, transport: Transport) -> str:
        """A broker that keeps nothing in files, one of the user's own, or a machine without user namespaces."""
        promised = transport.capabilities()
        if transport.brokerless or "disk" not in type(transport).model_fields:
            return f"{transport.kind} has no broker that keeps files"
        if not promised.revives:
            return f"the broker of {transport.kind} is not the run's own"
        if promised.durability != "disk":
            return f"{transport.kind} ({promised.level}) keeps nothing on a disk: choose one that does"
        return why_no_disk()

    def arranged(self, transport: Transport) -> Transport:
        """The same on a disk of its own."""
        return transport.model_copy(update={"disk": self.size})

    def inject(self, scene: Scene) -> None:
        """Up to the last byte; a broker that dies of it stays dead for now."""
        folder = Path(str(scene.address.where["data"]))
        scene.hold_restarts("broker")
        before = _seen(scene)
        filler = Filler(folder)
        scene.undo.callback(filler.empty)
        scene.memory[self] = [filler, before, None, 0]

    def heal(self, scene: Scene) -> None:
        """Make room; then the broker must come back, by itself or by being started anew."""
        kept = scene.memory.get(self)
        if kept is None or kept[2] is not None:
            return
        after = _seen(scene)
        if not _who(kept[1], after):
            kept[3], after = stuck(scene), _seen(scene)
        kept[2] = after
        kept[0].empty()
        before = scene.count("RECEIVED")
        if not scene.pids("broker"):
            scene.note("the broker died of its full disk; it was started anew once there was room")
        elif not scene.wait(_PATIENCE_S, lambda: _all_ready(scene) and scene.count("RECEIVED") > before):
            scene.note("the broker served nobody, though its disk had room again; it was started anew")
            if scene.pids("broker"):
                scene.kill("broker")
        if not scene.pids("broker"):
            scene.revive_broker(keep_data=True)
        scene.restart("broker")

    def proof(self, scene: Scene) -> str:
        """That there was no room, and who noticed."""
        kept = scene.memory.get(self)
        if kept is None or kept[2] is None:
            return ""
        who = _who(kept[1], kept[2])
        if not who and kept[3]:
            who = f"{kept[3]} messages waited and no worker was given one"
        return f"{show_bytes(kept[0].nbytes)} were written until ENOSPC; meanwhile {who}" if who else ""


def _who(before: _Seen, after: _Seen) -> str:
    """Who noticed, by what parties did themselves."""
    noted, sent, unconfirmed, _ = (now - then for now, then in zip(after, before, strict=True))
    if noted:
        return f"{noted} times a party was refused or lost its broker"
    if not sent and after[3]:
        return "nothing could be sent"
    if unconfirmed >= _UNCONFIRMED:
        return f"nobody confirmed {unconfirmed} of the messages that were sent"
    return ""


def stuck(scene: Scene) -> int:
    """Messages that wait in a broker which neither takes nor gives any while no worker has one; 0 where it serves.

    A producer that found its queue full says nothing: it waits. So this is looked for where nobody was refused.
    """

    def moved() -> int:
        return scene.count("SENT", "CONFIRMED", "RECEIVED", "ACKED", *_NOTED)

    before = moved()
    if scene.wait(_STILL_S, lambda: moved() > before) or scene.count("RECEIVED") != scene.count("ACKED"):
        return 0
    return max(0, scene.count("SENT") - scene.count("RECEIVED"))


def _seen(scene: Scene) -> _Seen:
    """What parties noticed, what was sent, how much of that nobody has confirmed, and what could not be sent so far."""
    noted, sent = scene.count(*_NOTED), scene.count("SENT")
    held = scene.count("TAKEN") - sent - scene.count("UNSENT", "REJECTED")
    return noted, sent, sent - scene.count("CONFIRMED"), max(0, held)


def _all_ready(scene: Scene) -> bool:
    return scene.ready("producer") and scene.ready("stage")
