"""Messages whose every byte is known, so that whatever arrives can be told from what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash

from benchkit.errors import MessageError
from benchkit.tensors.wire import ENVELOPE_BYTES, Buffer, Envelope, pack, total_bytes, unpack_envelope
from benchkit.testing.report import BrokenPromise, promise


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to send: its parts, and a digest of all its bytes."""

    seq: int
    parts: tuple[Buffer, ...]
    nbytes: int
    digest: int


def digest(parts: Sequence[Buffer]) -> int:
    """XXH3 of the parts as if they were one."""
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(part)
    return state.intdigest()


def enclose(seq: int, body: Sequence[Buffer], flags: int = 0) -> Letter:
    """An envelope and `body` behind it, each part of it a part of the message."""
    head = pack(Envelope(seq, total_bytes(body), flags))
    parts = (head, *body)
    return Letter(seq, parts, total_bytes(parts), digest(parts))


_SHIFTS = 4096


@cache
def _noise(nbytes: int) -> memoryview:
    return memoryview(np.random.default_rng(1).bytes(nbytes))


def forget() -> None:
    """Give back the memory that messages were made of."""
    _noise.cache_clear()


def letter(seq: int, nbytes: int, flags: int = 0) -> Letter:
    """A message of `nbytes` in all, envelope included; no two have the same bytes."""
    body = nbytes - ENVELOPE_BYTES
    room = ((body + _SHIFTS) | 0xFFFF) + 1
    shift = seq % _SHIFTS
    return enclose(seq, (_noise(room)[shift : shift + body],) if body else (), flags)


class Post:
    """Letters under way, by sequence number, and how often each has arrived."""

    def __init__(self, letters: Sequence[Letter] = ()) -> None:
        self.letters: dict[int, Letter] = {}
        self.arrived: list[int] = []
        self.add(*letters)

    def add(self, *letters: Letter) -> None:
        """More letters that may arrive."""
        self.letters.update((each.seq, each) for each in letters)

    def accept(self, view: memoryview, noun: str = "message") -> int:
        """The sequence number of what arrived, whole and unchanged; else BrokenPromise."""
        try:
            seq = unpack_envelope(view).seq
        except MessageError as error:
            raise BrokenPromise(f"a {noun} came without its envelope: {error}") from error
        sent = self.letters.get(seq)
        if sent is None:
            raise BrokenPromise(f"a {noun} came that was never sent, number {seq}")
        promise(
            view.nbytes == sent.nbytes,
            f"{noun} {seq} was sent with {sent.nbytes} bytes and came with {view.nbytes}",
        )
        promise(
            digest([view]) == sent.digest, f"{noun} {seq} of {sent.nbytes} bytes did not come as it was sent"
        )
        self.arrived.append(seq)
        return seq

    def once(self, noun: str = "message", *, ordered: bool = False) -> None:
        """BrokenPromise unless every letter arrived exactly once, and in order if that is asked."""
        many = "replies" if noun == "reply" else f"{noun}s"
        missing = sorted(set(self.letters) - set(self.arrived))
        promise(not missing, f"{many} were lost: {_some(missing)} of {len(self.letters)}")
        again = sorted({seq for seq in self.arrived if self.arrived.count(seq) > 1})
        promise(not again, f"{many} came more than once: {_some(again)}")
        if ordered:
            promise(self.arrived == sorted(self.arrived), f"{many} came out of order: {_some(self.arrived)}")


def _some(numbers: Sequence[int], most: int = 12) -> str:
    return ", ".join(map(str, numbers[:most])) + (", ..." if len(numbers) > most else "")
