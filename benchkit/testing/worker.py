"""A stage worker in a process of its own, made to be killed: takes one message and holds it.

Run as `python -m benchkit.testing.worker`. Its configuration and address are one line of JSON on standard
input (an address may hold a password, and arguments are visible to everybody); it answers with a line each
time that something has happened.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchkit.runtime.guard import die_with_parent
from benchkit.tensors.wire import unpack_envelope
from benchkit.transports.base import Address


def main() -> None:
    """Open the receiver, say `ready`; receive, say `held <seq>`; wait to be killed."""
    order = json.loads(sys.stdin.readline())
    die_with_parent(order["parent_pid"])
    module, _, name = order["target"].partition(":")
    transport = getattr(import_module(module), name).model_validate(order["options"])
    receiver = transport.receiver(Address(**order["address"]), order["worker"])
    _say("ready")
    delivery = receiver.receive(order["patience_s"])
    _say("nothing" if delivery is None else f"held {unpack_envelope(delivery.view).seq}")
    sys.stdin.readline()


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
