"""The nursery's own process: it has everything loaded, forks parties when it is told to, and sees them end.

One thread, so that a fork finds no lock held. What it says over its channel: `ready`, `sized`, `forked` (pid),
`ended` (pid, waitpid's status, when), `failed`. Killed, it takes its parties along.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from typing import Any

from benchkit.engine.channel import Channel
from benchkit.engine.crew import reported
from benchkit.engine.faulted import programs
from benchkit.engine.faulted.roles import Role
from benchkit.engine.handlers import do_foresee, do_prepare
from benchkit.engine.work import Work, describe
from benchkit.runtime.guard import die_with_parent
from benchkit.transports import base as transports


class Hatchery:
    """Reads commands until the channel ends."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = Channel(sock)
        self._awake, self._alarm = os.pipe()
        os.set_blocking(self._awake, False)
        os.set_blocking(self._alarm, False)
        signal.set_wakeup_fd(self._alarm)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Until whoever started it is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            self._channel.send({"event": "ready", "id": 0})
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._channel:
                        try:
                            self._obey(self._channel.recv())
                        except EOFError:
                            return
                    else:
                        self._reap()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._awake, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            self._channel.send(
                {"event": "ended", "id": 0, "pid": pid, "code": code, "at_ns": time.monotonic_ns()}
            )

    def _obey(self, command: dict[str, Any]) -> None:
        try:
            if command["do"] == "size":
                answer = {"event": "sized", **_size(command)}
            else:
                answer = {"event": "forked", "pid": self._fork(command)}
        except Exception as error:  # noqa: BLE001  (whatever it is, whoever asked must hear of it)
            answer = {"event": "failed", **describe(error)}
        self._channel.send({"id": command["id"], **answer})

    def _fork(self, command: dict[str, Any]) -> int:
        role = Role(**command["role"])
        own = os.getpid()
        pid = os.fork()
        if not pid:
            self._child(role, command["log"], own)
        return pid

    def _child(self, role: Role, log: str, parent: int) -> None:
        """Never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(parent)
            self._channel.close()
            os.close(self._awake)
            os.close(self._alarm)
            handle = os.open(
                log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            programs.play(role)
            code = 0
        except BaseException as error:  # noqa: BLE001  (the last words of a process)
            told = describe(error)
            os.write(2, f"{told['traceback']}\n{told['what']}\n".encode(errors="replace"))
        finally:
            os._exit(code)


def _size(command: dict[str, Any]) -> dict[str, Any]:
    """How long a cell's messages and replies are; its messages are made, for all that are forked from here on."""
    work = Work(lambda _: None, {"id": 0, **command, "check": False})
    prepared = do_prepare(work)
    foreseen = _apart(work)
    # Loaded here once, not in each party.
    transports.registry.build(command["transport"])
    return {
        "message_bytes": prepared["message_bytes"],
        "longest_bytes": prepared["longest_bytes"],
        "reply_bytes": foreseen["reply_bytes"],
        "arrays": [prepared["arrays"], foreseen["arrays"]],
    }


def _apart(work: Work) -> dict[str, Any]:
    """What the stage answers, tried in a process of its own: a model's threads must not be here at a fork."""
    ours, theirs = socket.socketpair()
    with ours:
        if not os.fork():
            answer: dict[str, Any]
            try:
                answer = {"event": "done", **do_foresee(work)}
                answer.pop("expected")
            except BaseException as error:  # noqa: BLE001  (whatever it is, whoever asked must hear of it)
                answer = {"event": "failed", **describe(error)}
            with contextlib.suppress(OSError):
                Channel(theirs).send(answer)
            os._exit(0)
        theirs.close()
        told = Channel(ours).recv()
    if told["event"] == "failed":
        raise reported(told, "stage")
    return told


def main() -> None:
    """`python -m benchkit.engine.faulted.hatchery FD`, under the guard, which lets it die with whoever started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A signal to the runner's whole group is the runner's to answer: it ends this process when it has collected.
    with contextlib.suppress(OSError):
        os.setsid()
    try:
        Hatchery(socket.socket(fileno=int(sys.argv[1]))).run()
    except BaseException:  # noqa: BLE001  (the last words of a process)
        traceback.print_exc()
    os._exit(0)


if __name__ == "__main__":
    main()
