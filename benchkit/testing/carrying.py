"""Facts about what arrives: every byte, in order, once, and unchanged for as long as it is held."""

from __future__ import annotations

import math
from collections.abc import Iterator

import psutil

from benchkit.errors import StorageError
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, unpack
from benchkit.testing.arrays import awkward_arrays, same_arrays
from benchkit.testing.letters import Letter, Post, digest, enclose, letter
from benchkit.testing.report import CannotTry, promise
from benchkit.testing.rig import Check, settle
from benchkit.transports.base import Delivery

_FRAME_BYTES = 6_220_800 + ENVELOPE_BYTES
"""A 1080p frame of three bytes a pixel."""
_BEYOND_SOCKETS_BYTES = 9 << 20
"""More than a socket buffers by default, or with twice the usual most that one may ask for (4 MB)."""
_HUGE_BYTES = 256 << 20


def _letters(biggest_bytes: int) -> Iterator[Letter]:
    sizes = (0, 1, 64, 4096, (1 << 16) + 1)
    for seq, body_bytes in enumerate(sizes):
        yield letter(seq, ENVELOPE_BYTES + body_bytes)
    seq = len(sizes)
    yield letter(seq, _FRAME_BYTES)
    yield letter(seq + 1, biggest_bytes)
    pieces = [bytes([index % 256]) * (index % 101) for index in range(3000)]
    yield enclose(seq + 2, pieces)
    yield enclose(seq + 3, [bytearray(b"abc"), memoryview(b"defgh")[1:], b"", memoryview(bytes(70_000))])


def every_byte_arrives(check: Check) -> None:
    """One after the other, checked on arrival; the last was made by the raw codec and is decoded."""
    biggest = _BEYOND_SOCKETS_BYTES if check.quick else 32 << 20
    limit = check.capabilities.max_message_bytes or biggest
    post = Post([each for each in _letters(min(biggest, limit)) if each.nbytes <= limit])
    arrays = awkward_arrays()
    seq = len(post.letters)
    post.add(enclose(seq, Raw().encode(arrays, b"some metadata")))

    def handle(delivery: Delivery, number: int) -> None:
        view = delivery.view
        promise(view.readonly, "Delivery.view can be written to")
        promise(view.format == "B" and view.ndim == 1 and view.contiguous, "Delivery.view is not plain bytes")
        if number == seq:
            decoded, metadata = Raw().decode(unpack(view)[1])
            promise(same_arrays(arrays, decoded), "arrays were decoded that differ from those encoded")
            promise(metadata == b"some metadata", "metadata changed")
        settle(delivery)

    with check.rig(depth=2, message_bytes=biggest) as rig:
        rig.stream(post, handle)
    post.once(ordered=check.capabilities.ordering != "none")


def parts_may_be_reused(check: Check) -> None:
    """The producer writes over its parts as soon as `send` has returned."""
    letters = [letter(seq, 40_000) for seq in range(3)]
    post = Post()
    with check.rig() as rig:
        for each in letters:
            parts = [bytearray(part) for part in each.parts]
            if rig.send(Letter(each.seq, tuple(parts), each.nbytes, each.digest), 0.5):
                post.add(each)
            for part in parts:
                part[:] = bytes(len(part))
        promise(bool(post.letters), "send found no room in an empty transport")
        for _ in post.letters:
            rig.settle(rig.expect(post))
    post.once()


def order_is_kept(check: Check) -> None:
    """Many small messages of mixed sizes, nothing lost, nothing twice, no reply that was not given."""
    count = 100 if check.quick else 400
    post = Post([letter(seq, ENVELOPE_BYTES + (seq * 997) % 5000) for seq in range(count)])
    with check.rig() as rig:
        rig.stream(post, lambda delivery, _: settle(delivery))
    post.once(ordered=check.capabilities.ordering != "none")


def views_stay_valid(check: Check) -> None:
    """Three deliveries are held, released out of order, and one is held while many more come."""
    post = Post()
    with check.rig() as rig:
        letters = [letter(seq, 30_000 + seq) for seq in range(16)]
        held = {each.seq: rig.deliver(post, each) for each in letters[:3]}

        def unchanged() -> None:
            for seq, delivery in held.items():
                changed = digest([delivery.view]) != post.letters[seq].digest
                promise(not changed, f"the view of message {seq} changed before it was released")

        unchanged()
        for each, done in zip(letters[3:5], (1, 2), strict=True):
            rig.settle(held.pop(done))
            held[each.seq] = rig.deliver(post, each)
            unchanged()
        rig.settle(held.pop(4))
        rig.settle(held.pop(3))
        for each in letters[5:]:
            latest = rig.deliver(post, each)
            unchanged()
            rig.settle(latest)
        rig.settle(held.pop(0))
    post.once()


def replies_arrive(check: Check) -> None:
    """Replies of many sizes, given in another order than the messages came in, each seen once."""
    count = 30 if check.quick else 120
    post = Post([letter(seq, 2000) for seq in range(count)])
    sizes = (0, 1, 333, 5000, 60_000)
    replies = Post([letter(seq, ENVELOPE_BYTES + sizes[seq % len(sizes)], REPLY) for seq in range(count)])
    waiting: list[tuple[Delivery, int]] = []

    def handle(delivery: Delivery, number: int) -> None:
        waiting.append((delivery, number))
        if len(waiting) == 3:
            for kept, of in reversed(waiting):
                settle(kept, replies.letters[of])
            waiting.clear()

    with check.rig() as rig:
        rig.stream(post, handle, replies)
    post.once()
    replies.once("reply")


def both_ways_at_once(check: Check) -> None:
    """Messages and replies larger than a socket's buffer: nobody waits for the other for ever."""
    count = 4 if check.quick else 10
    limit = check.capabilities.max_message_bytes or _FRAME_BYTES
    nbytes = min(limit, _FRAME_BYTES)
    post = Post([letter(seq, nbytes) for seq in range(count)])
    replies = Post([letter(seq, nbytes, REPLY) for seq in range(count)])
    with check.rig(message_bytes=nbytes, reply_bytes=nbytes) as rig:
        rig.stream(post, lambda delivery, seq: settle(delivery, replies.letters[seq]), replies)
    post.once()
    replies.once("reply")


def huge_messages_arrive(check: Check) -> None:
    """256 MiB, or the most that the transport declares."""
    if check.quick:
        raise CannotTry("the check is a quick one")
    nbytes = int(min(_HUGE_BYTES, check.capabilities.max_message_bytes or math.inf))
    if psutil.virtual_memory().available < 8 * nbytes:
        raise CannotTry("too little memory is free")
    post = Post()
    try:
        with check.rig(depth=1, message_bytes=nbytes) as rig:
            rig.settle(rig.deliver(post, letter(0, nbytes)))
    except StorageError as error:
        raise CannotTry(str(error)) from error
    post.once()
