"""A thread beside each worker that speaks for it while it computes.

JetStream delivers a message again that is not acknowledged within `ack_wait`, unless it is told meanwhile that work
is in progress (+WPI); and a worker that takes a dead one's place asks the living what they hold. A connection of its
own, so that the worker's needs no lock.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from threading import Thread
from time import monotonic

from benchkit.errors import BrokerError
from benchkit.transports._nats.connect import connect
from benchkit.transports._nats.place import Place
from benchkit.transports._nats.wire import publish

_TICKS = 3
"""In each `ack_wait`."""


class Keeper:
    """Speaks for the messages in `held`, by the subjects that they are acknowledged to; the worker changes it."""

    def __init__(self, place: Place, held: dict[bytes, None], ack_wait_s: float) -> None:
        self._held = held
        self._tick_s = ack_wait_s / _TICKS
        self._wire = connect(place.url)
        self._closing = False
        self._wire.write(f"SUB {place.who} 1\r\n".encode())
        self._wire.flush()
        self._thread = Thread(target=self._run, name="benchkit-nats-keeper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Where the server has gone the worker's own connection says so.
        with suppress(BrokerError, OSError, ValueError):
            before: set[bytes] = set()
            tick_s = monotonic() + self._tick_s
            while not self._closing:
                if self._wire.ready(max(0.0, tick_s - monotonic())):
                    self._answer()
                if monotonic() >= tick_s:
                    held = set(self._held)
                    # What was not there a tick ago is young enough.
                    self._wire.write(
                        b"".join([publish(each, b"+WPI") for each in held & before]) or b"PING\r\n"
                    )
                    before, tick_s = held, monotonic() + self._tick_s

    def _answer(self) -> None:
        message = self._wire.message()
        if message is None:
            return
        self._wire.text(message)
        held = [each.decode() for each in list(self._held)]
        self._wire.write(publish(message.reply, json.dumps(held).encode()))

    def close(self) -> None:
        """Ends the thread; it is gone when this returns."""
        self._closing = True
        with suppress(OSError):
            self._wire.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._wire.close()
