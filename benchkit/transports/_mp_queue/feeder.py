"""The thread that writes a queue's messages into its pipe, so that putting one never waits."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection
from threading import Condition, Lock, Thread

MARK = b"\x80"
"""Stands before each message in the pipe, as an object's first byte does: so a message is copied into a frame
of its own by the thread, and out of it by the reader, as often as `multiprocessing.Queue` copies it."""
_LINGER_S = 0.2
"""How long closing waits for the thread; beyond that it ends when the other side has read, or is gone."""


def unmarked(frame: bytes) -> bytes:
    """The message of a frame."""
    return frame[len(MARK) :]


class Feeder:
    """A deque, a condition and a thread in front of the writing end of a pipe, which it owns."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._messages: deque[bytes] = deque()
        self._news = Condition(Lock())
        self._closing = False
        self._thread: Thread | None = None

    def put(self, message: bytes) -> None:
        """Returns at once; what is put for a reader that is gone is forgotten."""
        with self._news:
            self._messages.append(message)
            self._news.notify()
        if self._thread is None:
            # A daemon: a reader that never reads must not keep the interpreter from ending.
            self._thread = Thread(target=self._feed, name="mp-queue-feeder", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """What was put is still written, as long as there is a reader."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread is None:
            self._pipe.close()
        else:
            self._thread.join(_LINGER_S)

    def _feed(self) -> None:
        news, messages, write = self._news, self._messages, self._pipe.send_bytes
        with self._pipe:
            while True:
                with news:
                    while not messages:
                        if self._closing:
                            return
                        news.wait()
                    message = messages.popleft()
                try:
                    write(MARK + message)
                except OSError:
                    with news:
                        messages.clear()
