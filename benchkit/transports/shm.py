"""Shared memory: one copy into a slot that the stage reads in place; the protocol is told in `_shm`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from benchkit.runtime.disk import disk
from benchkit.transports._shm.layout import Layout
from benchkit.transports._shm.receiver import ShmReceiver
from benchkit.transports._shm.segment import created
from benchkit.transports._shm.sender import ShmSender
from benchkit.transports._shm.wake import futex_works
from benchkit.transports.base import Address, Capabilities, Setup, Transport
from benchkit.units import Bytes, Seconds, show_bytes


class Shm(Transport):
    """Shared memory: a ring of slots under /dev/shm, written once and read in place."""

    kind: ClassVar[str] = "shm"

    spin: Seconds = Field(
        50e-6,
        description="how long a party that finds nothing looks again and again before it sleeps: a message "
        "that comes meanwhile saves a wake-up of 10 to 50 us; costs up to this much CPU time per wait, and is left "
        "out while waits are longer than that",
    )
    loan: bool = Field(
        False,
        description="messages stand in the slots before they are due, as those of a camera or a decoder that writes "
        "into shared memory by itself: sending one costs its envelope and no copy",
    )
    segment_disk: Bytes | None = Field(
        None,
        ge=1 << 20,
        le=64 << 30,
        description="the segment is in a shared memory of so many bytes of its own (tmpfs) and not under /dev/shm, so "
        "that it can be full; for trials of faults",
    )

    def capabilities(self) -> Capabilities:
        """At least once; outlives both ends, not the machine."""
        return Capabilities(
            "at-least-once", "memory", "fifo", zero_copy=True, same_host=True, loans=True, in_place=self.loan
        )

    def floor(self) -> str:
        """A copy into shared memory and a flag."""
        return "memcpy-spin"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """The segment, sized for the cell; raises StorageError with needed and free bytes."""
        layout = Layout.fitting(self.depth, setup.message_bytes, setup.reply_bytes, setup.workers)
        wake = "futex" if futex_works() else "fifo"
        with (
            self._place(setup) as place,
            created(setup.name, setup.folder, layout, fifos=wake == "fifo", place=place) as path,
        ):
            where: dict[str, str | int] = {
                "path": str(path), "stem": str(setup.folder / setup.name), "wake": wake,
                "depth": layout.depth, "slot_bytes": layout.slot_bytes,
                "reply_bytes": layout.reply_bytes, "workers": layout.workers,
            }  # fmt: skip
            slots = f"{layout.depth} slots of {show_bytes(layout.slot_bytes)}"
            claim = {
                "family": "memory", "segment": str(path), "bytes": str(layout.total_bytes), "wake": wake,
            }  # fmt: skip
            if place is not None:
                # Its name as the kernel tells it is that of another mount namespace.
                del claim["segment"]
            yield Address(where, f"{path.parent} file, {slots}, {wake} wake-up", claim=claim)

    @contextmanager
    def _place(self, setup: Setup) -> Iterator[Path | None]:
        if self.segment_disk is None:
            yield None
            return
        folder = setup.folder / "segments"
        folder.mkdir(mode=0o700)
        with disk(folder, self.segment_disk) as place:
            yield place

    def sender(self, address: Address) -> ShmSender:
        """Raises BrokerError when the segment is gone or has a living sender."""
        return ShmSender(address, self.spin)

    def receiver(self, address: Address, worker: int) -> ShmReceiver:
        """Raises BrokerError when the segment is gone or has a living worker of this number."""
        return ShmReceiver(address, worker, self.spin)
