"""The file system of shared memory is full while messages flow."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Scene
from benchkit.faults.filling import filled, no_room
from benchkit.runtime.disk import why_no_disk
from benchkit.transports.base import Transport
from benchkit.units import Bytes, show_bytes


class FullShm(Fault):
    """Fill the shared memory that the cell uses for `lasting`: one of its own, never the machine's /dev/shm

    It is a tmpfs of `size` in a mount namespace of its own, in which the segment is from the beginning.
    """

    kind: ClassVar[str] = "full-shm"

    size: Bytes = Field(256 << 20, ge=1 << 20, le=8 << 30, description="of the shared memory")

    def refuses(self, transport: Transport) -> str:
        """A transport without a segment that can be put elsewhere, or a machine without user namespaces."""
        if "segment_disk" not in type(transport).model_fields:
            return (
                f"{transport.kind} keeps nothing in shared memory that could be put into one of its own, "
                "and the machine's /dev/shm is never filled"
            )
        return why_no_disk()

    def arranged(self, transport: Transport) -> Transport:
        """The same in a shared memory of its own."""
        return transport.model_copy(update={"segment_disk": self.size})

    def inject(self, scene: Scene) -> None:
        """Up to the last page."""
        folder = Path(str(scene.address.where["path"])).parent
        path, nbytes = filled(folder)
        scene.memory[self] = [path, nbytes, scene.count("RECEIVED"), None]

    def heal(self, scene: Scene) -> None:
        """Make room, having seen that there was none until now."""
        kept = scene.memory.get(self)
        if kept is None or kept[3] is not None:
            return
        kept[3] = (no_room(kept[0].parent), scene.count("RECEIVED") - kept[2])
        kept[0].unlink(missing_ok=True)

    def proof(self, scene: Scene) -> str:
        """That not a page more was to be had until the end, and what came through nevertheless."""
        kept = scene.memory.get(self)
        if kept is None or kept[3] is None or not kept[3][0]:
            return ""
        return (
            f"{show_bytes(kept[1])} were written until ENOSPC and a page more was refused at the end; "
            f"{kept[3][1]} messages were received meanwhile"
        )
