"""Where everything stands in the file: pure arithmetic on four numbers."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import PAGESIZE
from typing import Final

LINE_BYTES: Final = 64
"""Parties that write different things write different cache lines; also the alignment of replies."""
MAGIC: Final = int.from_bytes(b"bkshm\x00\x00\x01", "big")

# Word numbers (8 bytes each) in the first page.
MAGIC_WORD: Final = 0
SIZES_WORD: Final = 1  # depth, slot, reply, workers
SEQUENCE_WORD: Final = 6
LOCK_BYTE: Final = 64  # 128 bytes: pthread_mutex_t has 40 to 64
FREE_WORD: Final = 24  # each queue: head, tail, then the rest of its line
READY_WORD: Final = 32
REPLIED_WORD: Final = 40
SLEEP_BYTE: Final = 384  # then one line per party

# Words of a slot's header.
HEADER_WORDS: Final = LINE_BYTES // 8
STATE: Final = 0
REPLY: Final = 1
SEQUENCE: Final = 2
LENGTH: Final = 3

SENDER_PARTY: Final = 0
"""Worker w is party w + 1."""


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


@dataclass(frozen=True, slots=True)
class Layout:
    """`slot_bytes` and `reply_bytes` are capacities, multiples of the page and of the cache line."""

    depth: int
    slot_bytes: int
    reply_bytes: int
    workers: int

    @classmethod
    def fitting(cls, depth: int, message_bytes: int, reply_bytes: int, workers: int) -> Layout:
        """The smallest slots that hold such messages and replies."""
        return cls(depth, _up(max(message_bytes, 1), PAGESIZE), _up(reply_bytes, LINE_BYTES), workers)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """What the file says of itself."""
        return self.depth, self.slot_bytes, self.reply_bytes, self.workers

    def sleep_byte(self, party: int) -> int:
        """Offset of the 32-bit sleep word of `party`."""
        return SLEEP_BYTE + party * LINE_BYTES

    @property
    def headers_word(self) -> int:
        """Word number of the first slot's header."""
        return self.sleep_byte(1 + self.workers) // 8

    def entries_word(self, queue: int) -> int:
        """Word number of the entries of queue 0, 1 or 2."""
        return self.headers_word + self.depth * (HEADER_WORDS + queue)

    @property
    def slots_byte(self) -> int:
        """Offset of the first message slot: a page's start."""
        return _up(self.entries_word(3) * 8, PAGESIZE)

    @property
    def replies_byte(self) -> int:
        """Offset of the first reply slot."""
        return self.slots_byte + self.depth * self.slot_bytes

    @property
    def total_bytes(self) -> int:
        """Size of the file."""
        return _up(self.replies_byte + self.depth * self.reply_bytes, PAGESIZE)
