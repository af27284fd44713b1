"""What a dead worker held, made available again at once and not only when `ack_wait` is over.

JetStream does not know which worker holds a message. So who takes a dead worker's place asks for all that is
delivered and not acknowledged, asks the living what of it is theirs (keeper.py), and has the rest delivered again
(-NAK). A message that a living worker holds and does not name in time is worked on twice, as at-least-once allows.
"""

from __future__ import annotations

import json
from time import monotonic

from benchkit.transports._nats.place import API, CONSUMER, Place, refused
from benchkit.transports._nats.wire import Refused, Wire, publish

_PATIENCE_S = 0.25
"""How long the living have to answer; only waited for where one of them is missing."""
_SETTLE_S = 0.02
_NUMBER = 5


def release(wire: Wire, place: Place, inbox: bytes) -> None:
    """Of a fresh connection without subscriptions; nothing is asked where nothing is held. Raises BrokerError."""
    before, delivered = _pending(wire, place, inbox)
    if not before:
        return
    left = before - _of_the_living(wire, place, inbox)
    # An acknowledgement may be on its way, and a -NAK close behind it would bring a message back that is done.
    wire.ready(_SETTLE_S)
    left &= _pending(wire, place, inbox)[0]
    # The server looks for the number in the stream and wants the other within what the consumer has delivered.
    again = [publish(f"{place.acks}.1.{number}.{delivered}.0.0".encode(), b"-NAK") for number in sorted(left)]
    wire.write(b"".join(again))
    wire.flush()


def _pending(wire: Wire, place: Place, inbox: bytes) -> tuple[set[int], int]:
    """The numbers of messages that are delivered and not acknowledged, and how many deliveries there were."""
    try:
        consumer = wire.ask(f"{API}.CONSUMER.INFO.{place.stream}.{CONSUMER}", inbox=inbox)
        if not consumer["num_ack_pending"]:
            return set(), 0
        stream = wire.ask(f"{API}.STREAM.INFO.{place.stream}", {"deleted_details": True}, inbox)["state"]
    except Refused as error:
        raise refused(error, place.url) from None
    delivered = consumer["delivered"]
    found = set(range(stream["first_seq"], delivered["stream_seq"] + 1)) - set(stream.get("deleted") or ())
    return found, delivered["consumer_seq"]


def _of_the_living(wire: Wire, place: Place, inbox: bytes) -> set[int]:
    others = place.workers - 1
    if not others:
        return set()
    found: set[int] = set()
    wire.write(b"SUB %s 0\r\n" % inbox + publish(place.who.encode(), b"", inbox))
    deadline_s = monotonic() + _PATIENCE_S
    while others and wire.ready(max(0.0, deadline_s - monotonic())):
        message = wire.message()
        if message is None:
            continue
        text = wire.text(message)
        if message.header_bytes:
            break  # the status "no responders": nobody else lives
        others -= 1
        found |= {int(subject.split(".")[_NUMBER]) for subject in json.loads(text)}
    wire.write(b"UNSUB 0\r\n")
    wire.flush()
    return found
