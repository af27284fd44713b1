"""Connections that are reset."""

from __future__ import annotations

from typing import ClassVar

from benchkit.faults.base import Scene
from benchkit.faults.led import Led
from benchkit.transports.base import Transport


class LinkReset(Led):
    """Reset (TCP RST) every connection of the link; new ones are taken at once"""

    kind: ClassVar[str] = "link-reset"

    def refuses(self, transport: Transport) -> str:
        """Datagrams have no connections."""
        return super().refuses(transport) or no_connections(transport)

    def inject(self, scene: Scene) -> None:
        """All at once."""
        scene.memory[self] = {side: link.reset() for side, link in scene.links.items()}

    def proof(self, scene: Scene) -> str:
        """How many were open."""
        cut = {side: many for side, many in scene.memory.get(self, {}).items() if many}
        return "; ".join(f"{side}: {many} open connections were reset" for side, many in cut.items())


def no_connections(transport: Transport) -> str:
    """Why a fault of connections cannot be done."""
    datagrams = transport.capabilities().datagrams
    return f"{transport.kind} goes over datagrams, which have no connections" if datagrams else ""
