"""Facts about several producers: nothing is mixed up among them, and one that goes hinders no other."""

from __future__ import annotations

from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, unpack_envelope
from benchkit.testing.letters import Post, letter
from benchkit.testing.report import CannotTry, promise
from benchkit.testing.rig import Check, settle
from benchkit.transports.base import Delivery

_PRODUCERS = 3
_QUIET_S = 0.1
_REPLY_BYTES = (0, 1, 333, 5000, 60_000)


def _declared(check: Check) -> None:
    if not check.capabilities.many_producers:
        raise CannotTry("many_producers is not declared")


def nothing_is_mixed_up(check: Check) -> None:
    """Three send at a time to two workers: all of it comes once, and each producer sees its own replies alone."""
    _declared(check)
    count = 60 if check.quick else 300
    post = Post([letter(seq, ENVELOPE_BYTES + (seq * 997) % 5000) for seq in range(count)])
    sizes = [ENVELOPE_BYTES + _REPLY_BYTES[seq % len(_REPLY_BYTES)] for seq in range(count)]
    replies = Post([letter(seq, nbytes, REPLY) for seq, nbytes in enumerate(sizes)])
    with check.rig(workers=2, producers=_PRODUCERS) as rig:
        shares = rig.stream(post, lambda delivery, seq: settle(delivery, replies.letters[seq]), replies)
    post.once()
    replies.once("reply")
    if check.capabilities.ordering == "none":
        return
    for share in shares:
        for producer in range(_PRODUCERS):
            own = [seq for seq in share if seq % _PRODUCERS == producer]
            promise(own == sorted(own), "messages of one producer came out of order to one worker")


def one_may_leave(check: Check) -> None:
    """A producer closes while its messages are held by the worker, which answers them; another goes on."""
    _declared(check)
    post, replies = Post(), Post()
    with check.rig(producers=2) as rig:
        held: list[Delivery] = [rig.deliver(post, letter(seq, 3000), producer=0) for seq in range(2)]
        kept = rig.deliver(post, letter(2, 3000), producer=1)
        rig.close_sender(0)
        for delivery, seq in zip(held, (0, 1), strict=True):
            rig.settle(delivery, letter(seq, 500, REPLY))
        # A worker notices that somebody has left when it asks for its next message in vain.
        promise(rig.receive(_QUIET_S) is None, "a message came again after its producer had closed its end")
        later = rig.deliver(post, letter(3, 3000), producer=1)
        for seq, delivery in ((2, kept), (3, later)):
            answer = letter(seq, 700, REPLY)
            replies.add(answer)
            rig.settle(delivery, answer)
            seen = rig.reply(replies, check.patience_s / 2, producer=1)
            promise(seen == seq, "a reply was not seen after another producer had closed its end")
    post.once()
    replies.once("reply")


def what_comes_again_is_answered_alike(check: Check) -> None:
    """A worker leaves with a message of each of two producers; its successor's replies still find their own."""
    _declared(check)
    if check.capabilities.delivery == "at-most-once":
        raise CannotTry("at most once is declared: nothing is delivered again")
    post = Post()
    own = [Post([letter(seq, 500, REPLY)]) for seq in range(2)]
    with check.rig(producers=2) as rig:
        for producer in range(2):
            rig.deliver(post, letter(producer, 3000), producer=producer)
        rig.close_receiver()
        rig.open_receiver()
        for _ in own:
            delivery = rig.expect(post)
            seq = unpack_envelope(delivery.view).seq
            rig.settle(delivery, own[seq].letters[seq])
        for producer, replies in enumerate(own):
            seen = rig.reply(replies, check.patience_s / 2, producer)
            promise(seen == producer, "no reply to a message that was delivered again reached its producer")
