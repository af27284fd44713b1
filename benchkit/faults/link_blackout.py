"""A link on which nothing arrives for a while, and everything afterwards (of a stream)."""

from __future__ import annotations

from typing import ClassVar

from benchkit.faults.base import Scene
from benchkit.faults.led import Led


class LinkBlackout(Led):
    """Deliver nothing over the link for `lasting`: a stream's bytes come afterwards, datagrams are lost"""

    kind: ClassVar[str] = "link-blackout"

    def inject(self, scene: Scene) -> None:
        """It ends by itself."""
        scene.memory[self] = {side: link.stats() for side, link in scene.links.items()}
        for link in scene.links.values():
            link.black_out(self.lasting)

    def proof(self, scene: Scene) -> str:
        """What was held back or lost by it."""
        found = []
        for side, before in scene.memory.get(self, {}).items():
            after = scene.links[side].stats()
            for way in ("up", "down"):
                dark = after[way]["blacked_out"] - before[way]["blacked_out"]
                if dark:
                    found.append(f"{side} {way}: {dark} pieces were held back or lost for {self.lasting:g} s")
        return "; ".join(found)
