"""Transports with a planted fault each, as a third party would write them: `unix` that misbehaves."""

from __future__ import annotations

import time

from benchkit.transports._unix.worker import UnixReceiver
from benchkit.transports.unix import Unix


class SlowReceiver(UnixReceiver):
    def receive(self, timeout):
        delivery = super().receive(timeout)
        until = time.monotonic() + 0.003
        while delivery is not None and time.monotonic() < until:
            pass
        return delivery


class Slow(Unix):
    """Takes three milliseconds more for each message."""

    kind = "slow"

    def receiver(self, address, worker):
        return SlowReceiver(address, worker)


class WrongReceiver(UnixReceiver):
    def receive(self, timeout):
        delivery = super().receive(timeout)
        if delivery is not None:
            delivery.view = memoryview(b"\0" + bytes(delivery.view)[1:])
        return delivery


class Wrong(Unix):
    """Changes the first byte."""

    kind = "wrong"

    def receiver(self, address, worker):
        return WrongReceiver(address, worker)


class Absent(Unix):
    """Needs what nobody has."""

    kind = "absent"
    requires = ("no_such_library_anywhere",)
    install = "pip install no-such-library-anywhere"
