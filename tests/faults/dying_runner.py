"""A runner in the middle of a trial, for whoever kills it: tells its processes and its folder, then goes on and on."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

import psutil
from small_trials import lane

from benchkit.faults.base import Fault, Scene
from benchkit.faults.kill import Kill
from benchkit.faults.stop import Stop


class Endless(Fault):
    """Stops the stage, kills the producer, and never comes to its end"""

    kind: ClassVar[str] = "endless"

    def inject(self, scene: Scene) -> None:
        Stop(party="stage").inject(scene)
        Kill(party="producer").inject(scene)
        scene.restart("producer")
        scene.wait(10, lambda: scene.ready("producer"))
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        told = {
            "pids": pids,
            "folder": str(scene.folder),
            "parties": [*scene.pids("stage"), *scene.pids("broker")],
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        scene.wait(600)

    def proof(self, scene: Scene) -> str:
        return ""


if __name__ == "__main__":
    with lane() as trials:
        trials.trial({"kind": "redis-stream"}, Endless())
