"""The broker's disk is full: writes fail with ENOSPC until there is room again."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from benchkit.faults.base import Fault, Scene
from benchkit.faults.filling import filled
from benchkit.runtime.disk import why_no_disk
from benchkit.transports.base import Transport
from benchkit.units import Bytes, show_bytes

_PATIENCE_S: Final = 2.0
"""For so long after there is room again a broker may take to come back by itself."""
_NOTED: Final = ("REJECTED", "BROKEN", "UNSENT")


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
        path, nbytes = filled(folder)
        scene.memory[self] = [path, nbytes, _noted(scene), scene.count("SENT"), None]

    def heal(self, scene: Scene) -> None:
        """Make room; then the broker must come back, by itself or by being started anew."""
        kept = scene.memory.get(self)
        if kept is None or kept[4] is not None:
            return
        kept[4] = (_noted(scene) - kept[2], scene.count("SENT") - kept[3])
        kept[0].unlink(missing_ok=True)
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
        if kept is None or kept[4] is None:
            return ""
        noted, sent = kept[4]
        if not noted and sent:
            return ""
        who = f"{noted} times a party was refused or lost its broker" if noted else "nothing could be sent"
        return f"{show_bytes(kept[1])} were written until ENOSPC; meanwhile {who}"


def _noted(scene: Scene) -> int:
    return scene.count(*_NOTED)


def _all_ready(scene: Scene) -> bool:
    return scene.ready("producer") and scene.ready("stage")
