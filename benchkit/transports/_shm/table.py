"""The slots' words and the three queues over them; every method is called under the lock, but `acknowledge`.

A state word holds, from its low end, a state (8 bits), a worker (16 bits) and a generation (40 bits).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.transports._shm.layout import (
    FREE_WORD,
    HEADER_WORDS,
    LENGTH,
    READY_WORD,
    REPLIED_WORD,
    REPLY,
    SEQUENCE,
    SEQUENCE_WORD,
    STATE,
    Layout,
)

FREE: Final = 0
WRITING: Final = 1
READY: Final = 2
HELD: Final = 3
DONE: Final = 4

NONE: Final = 0
REPLIED: Final = 1
TAKEN: Final = 2
SEEN: Final = 3

_STATE_MASK: Final = 0xFF
_WORKER_SHIFT: Final = 8
_WORKER_MASK: Final = 0xFFFF
_GENERATION_SHIFT: Final = 24
_GENERATION_MASK: Final = (1 << 40) - 1
_REPLY_SHIFT: Final = 8  # of its length, above its state

_WORD: Final = (1 << 64) - 1
_RAISED: Final = 1 << _GENERATION_SHIFT
_WRITING_TO_READY: Final = _RAISED + READY - WRITING
_READY_TO_HELD: Final = _RAISED + HELD - READY
"""What is added to a word that has no worker."""
_READY_TAIL: Final = READY_WORD + 1

Words = npt.NDArray[np.uint64]


def _next(word: int, state: int, worker: int = 0) -> int:
    generation = (word >> _GENERATION_SHIFT) + 1 & _GENERATION_MASK
    return generation << _GENERATION_SHIFT | worker << _WORKER_SHIFT | state


class Queue:
    """Slot numbers in a ring; each slot stands in it once at most, so it cannot overflow."""

    __slots__ = ("_depth", "_entries", "_words", "head", "tail")

    def __init__(self, words: memoryview, head: int, entries: int, depth: int) -> None:
        self._words = words
        self._entries = entries
        self._depth = depth
        self.head = head
        self.tail = head + 1

    def __bool__(self) -> bool:
        words = self._words
        return bool(words[self.head] != words[self.tail])

    def push(self, slot: int) -> None:
        """At the end."""
        words, tail = self._words, self.tail
        count = words[tail]
        words[self._entries + count % self._depth] = slot
        words[tail] = count + 1

    def pop(self) -> int:
        """The first, or -1."""
        words, head = self._words, self.head
        count = words[head]
        if count == words[self.tail]:
            return -1
        slot: int = words[self._entries + count % self._depth]
        words[head] = count + 1
        return slot

    def fill(self, slots: npt.NDArray[np.intp]) -> None:
        """Exactly these."""
        words = self._words
        words[self.head] = words[self.tail] = 0
        for slot in slots.tolist():
            self.push(slot)


class Stack:
    """Free slots, the one freed last on top: its memory is most likely in the caches still."""

    __slots__ = ("_count", "_entries", "_words")

    def __init__(self, words: memoryview, count: int, entries: int) -> None:
        self._words = words
        self._count = count
        self._entries = entries

    def __bool__(self) -> bool:
        return bool(self._words[self._count])

    def push(self, slot: int) -> None:
        """On top."""
        words = self._words
        count = words[self._count]
        words[self._entries + count] = slot
        words[self._count] = count + 1

    def pop(self) -> int:
        """The top, or -1."""
        words = self._words
        count = words[self._count]
        if not count:
            return -1
        words[self._count] = count - 1
        slot: int = words[self._entries + count - 1]
        return slot

    def fill(self, slots: npt.NDArray[np.intp]) -> None:
        """Exactly these."""
        self._words[self._count] = 0
        for slot in slots.tolist():
            self.push(slot)


class Table:
    """What may happen to a slot, step by step; see the head of the package."""

    __slots__ = ("_depth", "_first", "_headers", "_ready_entries", "_words", "free", "ready", "replied")

    def __init__(self, words: memoryview, layout: Layout) -> None:
        self._words = words
        self._first = layout.headers_word
        self._depth = layout.depth
        self._ready_entries = layout.entries_word(1)
        headers: npt.NDArray[Any] = np.frombuffer(words, np.uint64)
        end = self._first + layout.depth * HEADER_WORDS
        self._headers: Words = headers[self._first : end].reshape(layout.depth, HEADER_WORDS)
        self.free = Stack(words, FREE_WORD, layout.entries_word(0))
        self.ready = Queue(words, READY_WORD, layout.entries_word(1), layout.depth)
        self.replied = Queue(words, REPLIED_WORD, layout.entries_word(2), layout.depth)

    def close(self) -> None:
        """Let go of the mapping."""
        del self._headers

    # Sender

    def reserve(self) -> int:
        """A slot to write into, or -1."""
        slot = self.free.pop()
        if slot >= 0:
            state = self._first + slot * HEADER_WORDS
            self._words[state] = _next(self._words[state], WRITING)
        return slot

    def exchange(self, slot: int) -> int:
        """A reserved slot that was free more recently, for this one; the same one if there is none."""
        fresher = self.reserve()
        if fresher < 0:
            return slot
        self.give_back(slot)
        return fresher

    def give_back(self, slot: int) -> None:
        """A reserved slot is not needed."""
        words, state = self._words, self._first + slot * HEADER_WORDS
        words[state] = _next(words[state], FREE)
        self.free.push(slot)

    def publish(self, slot: int, length: int) -> None:
        """A reserved slot has its `length` bytes."""
        words, state = self._words, self._first + slot * HEADER_WORDS
        sequence = words[SEQUENCE_WORD] + 1
        words[SEQUENCE_WORD] = sequence
        words[state + SEQUENCE] = sequence
        words[state + LENGTH] = length
        words[state + REPLY] = NONE
        words[state] = words[state] + _WRITING_TO_READY & _WORD
        # As `push` does, without the call: this and `claim` are in the way of every message.
        count = words[_READY_TAIL]
        words[self._ready_entries + count % self._depth] = slot
        words[_READY_TAIL] = count + 1

    def take_reply(self) -> tuple[int, int] | None:
        """Slot and length of the next reply, the sender's until `drop_reply`."""
        slot = self.replied.pop()
        if slot < 0:
            return None
        reply = self._first + slot * HEADER_WORDS + REPLY
        length = self._words[reply] >> _REPLY_SHIFT
        self._words[reply] = length << _REPLY_SHIFT | TAKEN
        return slot, length

    def drop_reply(self, slot: int) -> None:
        """The reply was read."""
        words, state = self._words, self._first + slot * HEADER_WORDS
        words[state + REPLY] = SEEN
        if words[state] & _STATE_MASK == FREE:
            self.free.push(slot)

    def adopt_sender(self) -> None:
        """A new sender: what the last one was writing or reading when it died is undone."""
        headers = self._headers
        headers[_states(headers) == WRITING, STATE] &= np.uint64(~_STATE_MASK & (1 << 64) - 1)
        taken = headers[:, REPLY] & np.uint64(_STATE_MASK) == TAKEN
        headers[taken, REPLY] ^= np.uint64(TAKEN ^ REPLIED)
        self.rebuild()

    # Worker

    def claim(self, worker: int) -> tuple[int, int, int] | None:
        """Slot, state word and length of the oldest message, now held by `worker`."""
        words = self._words
        count = words[READY_WORD]
        if count == words[_READY_TAIL]:
            return None
        slot: int = words[self._ready_entries + count % self._depth]
        words[READY_WORD] = count + 1
        state = self._first + slot * HEADER_WORDS
        held = words[state] + _READY_TO_HELD + (worker << _WORKER_SHIFT) & _WORD
        words[state] = held
        return slot, held, words[state + LENGTH]

    def holds(self, slot: int, word: int) -> bool:
        """Whether the slot is still as `claim` left it."""
        return bool(self._words[self._first + slot * HEADER_WORDS] == word)

    def acknowledge(self, slot: int, word: int) -> int:
        """The new word. One store, without the lock: only its living worker changes a held slot."""
        done = word ^ (HELD ^ DONE)
        self._words[self._first + slot * HEADER_WORDS] = done
        return done

    def release(self, slot: int, done: int) -> bool:
        """Whether the acknowledged slot became free for the sender (else its reply was not read yet)."""
        words, state = self._words, self._first + slot * HEADER_WORDS
        if words[state] != done:
            return False
        words[state] = _next(done, FREE)
        if words[state + REPLY] & _STATE_MASK in (REPLIED, TAKEN):
            return False
        self.free.push(slot)
        return True

    def wants_reply(self, slot: int) -> bool:
        """Whether this message has no reply yet (one that is delivered again may have)."""
        return bool(self._words[self._first + slot * HEADER_WORDS + REPLY] == NONE)

    def publish_reply(self, slot: int, length: int) -> None:
        """The slot's reply has its `length` bytes."""
        self._words[self._first + slot * HEADER_WORDS + REPLY] = length << _REPLY_SHIFT | REPLIED
        self.replied.push(slot)

    def adopt_worker(self, worker: int) -> bool:
        """The worker is gone: what it held is ready again, what it had done is free; False if nothing."""
        headers = self._headers
        words = headers[:, STATE]
        of_worker = (words >> np.uint64(_WORKER_SHIFT) & np.uint64(_WORKER_MASK)) == worker
        states = _states(headers)
        gone = np.flatnonzero(of_worker & ((states == HELD) | (states == DONE)))
        for slot in gone.tolist():
            word = int(words[slot])
            words[slot] = _next(word, READY if word & _STATE_MASK == HELD else FREE)
        if gone.size:
            self.rebuild()
        return bool(gone.size)

    # Repair

    def rebuild(self) -> None:
        """The three queues from the slots' words; messages and replies in the order of sending."""
        headers = self._headers
        states, replies = _states(headers), headers[:, REPLY] & np.uint64(_STATE_MASK)
        order = np.argsort(headers[:, SEQUENCE], kind="stable")
        unread = (replies == REPLIED) | (replies == TAKEN)
        self.ready.fill(order[states[order] == READY])
        self.replied.fill(order[replies[order] == REPLIED])
        self.free.fill(order[((states == FREE) & ~unread)[order]])


def _states(headers: Words) -> Words:
    return headers[:, STATE] & np.uint64(_STATE_MASK)
