"""Facts about transports whose connections can be led through a link."""

from __future__ import annotations

from benchkit.link.plan import Endpoint, Impairment
from benchkit.link.process import link_process
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY
from benchkit.testing.letters import Post, letter
from benchkit.testing.report import CannotTry, promise
from benchkit.testing.rig import Check, settle

_BODY_BYTES = 2000


def goes_through(check: Check) -> None:
    """Messages of a producer that is led through a link, and the replies to them."""
    if not check.capabilities.reroutable:
        raise CannotTry("it is not declared")
    count = 5 if check.quick else 40
    post = Post([letter(seq, ENVELOPE_BYTES + _BODY_BYTES) for seq in range(count)])
    replies = Post([letter(seq, ENVELOPE_BYTES + 8, REPLY) for seq in range(count)])
    ports: list[int] = []
    with check.rig(open_ends=False) as rig, link_process() as process:
        link = process.open(Impairment(), Impairment(), "conformance")

        def detour(endpoint: Endpoint) -> int:
            ports.append(link.lead(endpoint))
            return ports[-1]

        straight = dict(rig.address.where)
        led = rig.transport.through(rig.address, detour)
        promise(dict(rig.address.where) == straight, "through() changed the address that it was given")
        promise(bool(ports), "through() led nothing by way of the link")
        rig.open_receiver()
        rig.address = led
        rig.open_sender()
        rig.stream(post, lambda delivery, seq: settle(delivery, replies.letters[seq]), replies)
        done = link.stats()
        rig.close()
    post.once()
    replies.once("reply")
    promise(done["up"]["bytes"] >= count * _BODY_BYTES, "messages arrived that did not go through the link")
    promise(done["down"]["bytes"] >= count * 8, "replies arrived that did not go through the link")
