"""Facts about waiting: timeouts end, a full transport pushes back, what is too large is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from benchkit.errors import Rejected
from benchkit.testing.letters import Letter, Post, letter
from benchkit.testing.report import CannotTry, promise
from benchkit.testing.rig import SMALL_BYTES, Check, Rig

T = TypeVar("T")

_SHORT_S = 0.1
_EARLY = 0.5
"""The share of a timeout that must have passed before it may be said to be over."""
_LARGE_BYTES = 12 << 20
"""More than any socket holds; see carrying.py."""


def _nothing_before(timeout_s: float, what: str, call: Callable[[float], T | None]) -> None:
    before = time.monotonic()
    result = call(timeout_s)
    waited_s = time.monotonic() - before
    promise(not result, f"{what} with nothing to expect gave {result!r}")
    promise(
        waited_s >= _EARLY * timeout_s,
        f"{what} gave up after {waited_s:.4f} s of a timeout of {timeout_s:g} s",
    )


def timeouts_end(check: Check) -> None:
    """`receive` and `reply` give None, not early, not never; then everything still works."""
    post, replies = Post(), Post()
    with check.rig() as rig:
        for timeout_s in (0.0, 0.0005, _SHORT_S, 0.0):
            _nothing_before(timeout_s, "receive", rig.receive)
            _nothing_before(timeout_s, "reply", lambda limit_s: rig.reply(replies, limit_s))
        answer = letter(0, 500)
        replies.add(answer)
        rig.settle(rig.deliver(post, letter(0, 1000)), answer)
        seen = rig.reply(replies, check.patience_s / 2)
        promise(seen == 0, "a reply that was given has not been seen")


def full_pushes_back(check: Check) -> None:
    """Small messages: `depth` of them and one for each worker at most, and room again after one ack."""
    _push_back(check, SMALL_BYTES // 16, depth=4)


def full_of_large_pushes_back(check: Check) -> None:
    """The same with messages that no socket holds."""
    limit = check.capabilities.max_message_bytes
    _push_back(check, min(limit or _LARGE_BYTES, _LARGE_BYTES), depth=2)


def _push_back(check: Check, nbytes: int, depth: int) -> None:
    post = Post()
    with check.rig(depth=depth, message_bytes=nbytes) as rig:
        most = depth + 1
        taken = 0
        while rig.send(each := letter(taken, nbytes), _SHORT_S):
            post.add(each)
            taken += 1
            promise(taken <= most, f"{taken} messages were taken with nobody receiving, depth is {depth}")
        promise(taken > 0, "send found no room in an empty transport")
        refused = letter(1000, nbytes)
        _nothing_before(_SHORT_S, "send into a full transport", lambda limit_s: rig.send(refused, limit_s))
        rig.settle(rig.expect(post))
        post.add(another := letter(taken, nbytes))
        _drain_after(rig, post, another)
    post.once(ordered=check.capabilities.ordering != "none")


def _drain_after(rig: Rig, post: Post, another: Letter) -> None:
    """One more message finds room; then everything that was taken comes, and nothing else."""
    sending = rig.begin_send(another)
    while len(post.arrived) < len(post.letters):
        # Room must come from the one acknowledgement; only large messages may need a receiver at work.
        if another.nbytes < _LARGE_BYTES:
            promise(rig.wait_sent(sending), "send found no room after a message was acknowledged")
        rig.settle(rig.expect(post))
    promise(rig.wait_sent(sending), "send said that it sent nothing, and the message was received")
    extra = rig.receive(_SHORT_S)
    if extra is not None:
        post.accept(extra.view)


def too_large_is_refused(check: Check) -> None:
    """Refused by `send` or by a rejecting reply, or carried whole; never hung on, cut, or counted as sent."""
    nbytes = SMALL_BYTES + 4096
    with check.rig() as rig:
        post = Post([letter(0, nbytes)])
        try:
            sent = rig.wait_sent(rig.begin_send(post.letters[0]))
        except Rejected:
            sent = False
        else:
            promise(sent, "send waits for room that a message longer than announced will never have")
        if sent:
            _refused_or_whole(rig, post)
        fitting = letter(1, 1000)
        rig.settle(rig.deliver(post, fitting))


def _refused_or_whole(rig: Rig, post: Post) -> None:
    give_up = time.monotonic() + rig.patience_s
    while time.monotonic() < give_up:
        if rig.rejected(0.02):
            return
        delivery = rig.receive(0.02)
        if delivery is not None:
            post.accept(delivery.view)
            rig.settle(delivery)
            return
    promise(
        kept=False, detail="a message longer than announced was taken and is neither refused nor received"
    )


def limit_is_kept(check: Check) -> None:
    """What is longer than `max_message_bytes` is rejected."""
    limit = check.capabilities.max_message_bytes
    if limit is None:
        raise CannotTry("no limit is declared")
    if limit > 1 << 26:
        raise CannotTry("the limit is beyond 64 MiB")
    with check.rig(message_bytes=limit + 1) as rig:
        try:
            sent = rig.wait_sent(rig.begin_send(letter(0, limit + 1)))
        except Rejected:
            return
        promise(
            sent and rig.rejected(check.patience_s / 2), "a message beyond max_message_bytes was not rejected"
        )
