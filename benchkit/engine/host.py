"""A party's process: commands come in over the control channel, events go out.

The main thread only reads the channel, so a party can be told to stop while it works; each piece of work runs
in a thread of its own and is known by the command's id. When the channel ends, the runner is gone and so is
this process.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from benchkit.engine.channel import Channel
from benchkit.engine.work import Work, describe
from benchkit.hiding import notice_data, notice_environment
from benchkit.runtime.guard import die_with_parent


class Host:
    """Reads commands until the channel ends; `handlers` do the work by the command's name."""

    def __init__(self, channel: Channel, handlers: Mapping[str, Callable[[Work], dict[str, Any]]]) -> None:
        self._channel = channel
        self._handlers = handlers
        self._sending = threading.Lock()
        self._work: dict[int, Work] = {}

    def send(self, message: dict[str, Any]) -> None:
        """From any thread."""
        with self._sending:
            self._channel.send(message)

    def serve(self) -> None:
        """Until the runner is gone."""
        while True:
            try:
                command = self._channel.recv()
            except EOFError:
                return
            # What this party says may be cut off: nothing of a secret must be left before that.
            notice_data(command)
            self._obey(command)

    def _obey(self, command: dict[str, Any]) -> None:
        match command["do"]:
            case "ping":
                self.send({"id": command["id"], "event": "done"})
            case "start" | "stop" | "close" | "go" | "progress" as order:
                work = self._work.get(command["of"])
                done, handed = (work.progress(), work.handed()) if work else (0, 0)
                if work and order == "stop":
                    work.stopping = command["how"]
                    work.starting.set()
                elif work and order == "start":
                    work.start_ns = command["start_ns"]
                    work.starting.set()
                elif work and order == "close":
                    work.starting.set()
                    work.closing.set()
                elif work and order == "go":
                    work.going.set()
                self.send({"id": command["id"], "event": "done", "progress": done, "handed": handed})
            case name:
                work = Work(self.send, command)
                self._work[work.id] = work
                threading.Thread(target=self._run, args=(name, work), name=name, daemon=True).start()

    def _run(self, name: str, work: Work) -> None:
        try:
            result = self._handlers[name](work)
            event: dict[str, Any] = {"event": "done", **result}
        except BaseException as error:  # noqa: BLE001  (whatever it is, the runner must hear of it)
            event = {"event": "failed", **describe(error)}
        self._work.pop(work.id, None)
        try:
            self.send({"id": work.id, **event})
        except (TypeError, ValueError, OverflowError) as error:
            # A plug-in's facts that are no plain data: the runner must not wait for what cannot travel.
            self.send({"id": work.id, "event": "failed", **describe(error)})


def main() -> None:
    """`python -m benchkit.engine.host FD PARENT_PID ROLE [CORES]`; the role is for whoever lists processes."""
    fd, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent_pid)
    notice_environment(os.environ)
    if len(sys.argv) > 4 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(core) for core in sys.argv[4].split(",")])
    from benchkit.engine.handlers import HANDLERS

    Host(Channel(socket.socket(fileno=fd)), HANDLERS).serve()
    # Threads may sit in native code: nothing here needs an orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()
