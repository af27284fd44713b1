"""Connections that are open at one end and dead in between, as a firewall that forgot them leaves them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Scene
from benchkit.faults.led import Led, Way
from benchkit.faults.link_reset import no_connections
from benchkit.transports.base import Transport


class LinkHalfOpen(Led):
    """Drop silently what crosses open connections one way; after `lasting` they are reset

    New connections work. Nobody is told until the reset: what is sent that way fills the kernel's buffers, so that a
    party that only waits learns nothing before.
    """

    kind: ClassVar[str] = "link-half-open"

    way: Way = Field(
        "down", description="what is dropped: towards the broker or server (up), back (down), both"
    )

    def refuses(self, transport: Transport) -> str:
        """Datagrams have no connections."""
        return super().refuses(transport) or no_connections(transport)

    def inject(self, scene: Scene) -> None:
        """Those that are open now."""
        stats = {side: link.stats() for side, link in scene.links.items()}
        scene.memory[self] = [
            stats,
            {side: link.half_open(self.way) for side, link in scene.links.items()},
            None,
        ]

    def heal(self, scene: Scene) -> None:
        """What is left of them is reset, as a keepalive that comes back unanswered would do it."""
        kept = scene.memory.get(self)
        if kept is None or kept[2] is not None:
            return
        kept[2] = {side: link.end_half_open() for side, link in scene.links.items()}

    def proof(self, scene: Scene) -> str:
        """How many there were, and how many of them nobody had given up when they were reset."""
        _, cut, left = scene.memory.get(self, ((), {}, {}))
        return "; ".join(
            f"{side}: {many} open connections were dead one way ({self.way}), "
            f"{(left or {}).get(side, 0)} of them until they were reset"
            for side, many in cut.items()
            if many
        )
