"""The end of a trial: nothing new is sent, and what is under way comes to its end."""

from __future__ import annotations

import time
from typing import Final

from benchkit.engine.faulted.board import ENDING, STATE
from benchkit.engine.faulted.journal import What
from benchkit.engine.faulted.scene import LiveScene

QUIET_S: Final = 0.12
"""Nothing may have happened for so long, all parties looking, before all counts as drained."""


def drain(scene: LiveScene, *, awaited: bool, patience_s: float) -> bool:
    """Whether everything is quiet and was looked at.

    What a guarantee says will come (`awaited`) is waited for as long as the patience lasts: a message may be
    delivered again only when its worker's time to acknowledge it is over.
    """
    supervisor = scene.supervisor
    supervisor.board.words[STATE] = ENDING
    began_ns = time.monotonic_ns()

    def quiet() -> bool:
        now_ns = time.monotonic_ns()
        lives = list(supervisor.now())
        last_ns = max([began_ns, *(life.last_ns for life in lives)])
        if now_ns - last_ns < QUIET_S * 1e9 or not all(life.ready for life in lives):
            return False
        looking = all(life.empty_ns > last_ns for life in lives)
        return looking and not any(life.at_hand for life in lives)

    def whole() -> bool:
        return quiet() and not (awaited and _missing(scene))

    return scene.wait(patience_s, whole) or quiet()


def _missing(scene: LiveScene) -> int:
    """Messages that were confirmed and not acknowledged: answers nobody promises, they may die with a producer."""
    sent: set[int] = set()
    done: set[int] = set()
    for life in scene.supervisor.all_lives():
        events = life.events()
        sent.update(events["seq"][events["what"] == What.CONFIRMED].tolist())
        done.update(
            events["seq"][(events["what"] == What.ACKED) | (events["what"] == What.REJECTED)].tolist()
        )
    return len(sent - done)
