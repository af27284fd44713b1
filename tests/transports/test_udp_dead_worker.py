"""A worker that is gone takes no messages: what is sent while it is away waits, or goes to others."""

from __future__ import annotations

from opened import opened, settle, taken

from benchkit.testing.letters import letter
from benchkit.transports.base import Sender
from benchkit.transports.udp import Udp


def sent(sender: Sender, count: int) -> int:
    """How many of so many messages were handed over; news is taken in before each of them."""
    handed = 0
    for number in range(count):
        while sender.reply(0) is not None:
            continue
        handed += sender.send(letter(number, 100).parts, 0.02)
    return handed


def test_a_dead_worker_costs_what_was_under_way_and_one_more() -> None:
    with opened(Udp()) as place:
        receiver, sender = place.receiver(), place.sender()
        assert sender.send(letter(0, 100).parts, 1.0)
        settle(taken(receiver))
        receiver.close()
        # The first one finds out; the others wait for somebody to come.
        assert sent(sender, 8) <= 1
        successor = place.receiver()
        assert sender.send(letter(9, 100).parts, 5.0)
        settle(taken(successor))


def test_the_living_get_what_the_dead_would() -> None:
    with opened(Udp(), workers=2) as place:
        dead, living = place.receiver(0), place.receiver(1)
        sender = place.sender()
        dead.close()
        came = 0
        for number in range(20):
            assert sender.send(letter(number, 100).parts, 1.0)
            delivery = living.receive(0.05)
            if delivery is not None:
                came += 1
                settle(delivery)
        assert came >= 19
