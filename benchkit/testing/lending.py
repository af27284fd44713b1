"""Facts about lent memory: what is written there arrives, it comes back, and what nobody sends leaks nothing."""

from __future__ import annotations

from benchkit.errors import BrokerError, Rejected
from benchkit.testing.letters import Letter, Post, letter
from benchkit.testing.report import BrokenPromise, CannotTry, promise
from benchkit.testing.rig import DEPTH, SMALL_BYTES, Check, Rig
from benchkit.transports.base import Slot


def _declared(check: Check) -> None:
    if not check.capabilities.loans:
        promise(not check.capabilities.in_place, "in_place is declared, and loans are not")
        raise CannotTry("loans is not declared")


def _fill(slot: Slot, each: Letter) -> None:
    view = slot.view
    promise(not view.readonly, "Slot.view is read-only")
    promise(view.format == "B" and view.ndim == 1 and view.contiguous, "Slot.view is not plain bytes")
    start = 0
    for part in each.parts:
        end = start + len(part)
        view[start:end] = part
        start = end


def _lent(rig: Rig, nbytes: int) -> Slot:
    slot = rig.loan(nbytes, rig.patience_s)
    if slot is None:
        raise BrokenPromise("no memory is lent where there is room")
    promise(slot.view.nbytes == nbytes, f"{slot.view.nbytes} bytes were lent where {nbytes} were asked for")
    return slot


def arrives_as_written(check: Check) -> None:
    """Sent in another order than lent, shorter than lent, among messages that are copied."""
    _declared(check)
    post = Post()
    with check.rig() as rig:
        for turn in range(2 if check.quick else 8):
            first, second = (letter(turn * 3 + number, 3000 + number) for number in range(2))
            slots = [_lent(rig, SMALL_BYTES), _lent(rig, first.nbytes)]
            for slot, each in zip(slots, (second, first), strict=True):
                _fill(slot, each)
            for slot, each in zip(reversed(slots), (first, second), strict=True):
                post.add(each)
                rig.publish(slot, each.nbytes)
            held = [rig.expect(post), rig.expect(post)]
            rig.settle(rig.deliver(post, letter(turn * 3 + 2, 2000)))
            for delivery in held:
                rig.settle(delivery)
    post.once(ordered=check.capabilities.ordering != "none")


def place_keeps_its_bytes(check: Check) -> None:
    """Memory that is lent again under the same number holds what was sent from it."""
    _declared(check)
    kept: dict[int, bytes] = {}
    again = 0
    with check.rig() as rig:
        for seq in range(4 * DEPTH):
            slot = _lent(rig, 5000)
            if slot.place in kept:
                again += 1
                promise(
                    bytes(slot.view) == kept[slot.place], f"place {slot.place} holds other bytes than before"
                )
            each = letter(seq, 5000)
            _fill(slot, each)
            kept[slot.place] = bytes(slot.view)
            post = Post([each])
            rig.publish(slot, each.nbytes)
            rig.settle(rig.expect(post))
    promise(again > 0, f"of {4 * DEPTH} loans none was in a place that had been lent before")


def nothing_leaks(check: Check) -> None:
    """Loans end: by being given back, and with their sender; more than `depth` are not to be had."""
    _declared(check)
    post = Post()
    with check.rig() as rig:
        slots = [_lent(rig, 1000) for _ in range(DEPTH)]
        promise(len({slot.place for slot in slots}) == DEPTH, "the same memory is lent twice at a time")
        promise(rig.loan(1000, 0.0) is None, f"more than depth={DEPTH} slots are lent")
        promise(not rig.send(letter(99, 1000), 0.0), "a message is sent while every slot is lent")
        for slot in slots[1:]:
            rig.give_back(slot)
        _refuses_twice(rig, slots[1])
        for seq in range(DEPTH - 1):
            rig.settle(rig.deliver(post, letter(seq, 1000)))
        rig.close_sender()
        rig.open_sender()
        slots = [_lent(rig, 1000) for _ in range(DEPTH)]
        for slot in slots:
            rig.give_back(slot)
        rig.settle(rig.deliver(post, letter(DEPTH, 1000)))
    post.once()


def _refuses_twice(rig: Rig, slot: Slot) -> None:
    try:
        rig.publish(slot, 10)
    except BrokerError:
        return
    raise BrokenPromise("a slot that was given back can be sent")


def too_much_is_refused(check: Check) -> None:
    """More than was announced is not lent, and more than was lent is not sent."""
    _declared(check)
    with check.rig() as rig:
        slot = _lent(rig, 1000)
        try:
            rig.publish(slot, 1001)
        except Rejected:
            rig.give_back(slot)
        else:
            raise BrokenPromise("more is sent than was lent")
        try:
            rig.loan(1 << 30, 0.0)
        except Rejected:
            return
        raise BrokenPromise("a loan of 1 GiB was neither refused nor announced")
