"""A Redis list: how many wait, and for how long the oldest has.

A list knows no times and counts nothing. Two things are certain all the same:

* An item at either end that was there at an earlier look has waited since that look at least (a consumer takes from
  one end, and what it has not taken is still there). So the age is a lower bound, unless the value is a message of
  benchkit that tells when it was due, on the clock of this host.
* When the list became shorter, or neither end is what it was, something was taken.

Both need items that can be told apart; where the first and the last are equal, nothing is claimed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from benchkit.errors import MessageError
from benchkit.tensors.wire import ENVELOPE_BYTES, due_of, unpack_envelope
from benchkit.watch.base import Queue, whole
from benchkit.watch.redis_server import NoScripts, Server, digest

_WHOLE_BYTES: Final = 65536
_PART_BYTES: Final = 4096
"""Of a long value its beginning, its end and its length tell it from another."""
_ENDS: Final = f"""
local n = redis.call('LLEN', KEYS[1])
local out = {{n}}
if n == 0 then return out end
for i = 1, 2 do
  local v = redis.call('LINDEX', KEYS[1], 1 - i)
  local told = v
  if #v > {_WHOLE_BYTES} then told = #v .. string.sub(v, 1, {_PART_BYTES}) .. string.sub(v, -{_PART_BYTES}) end
  out[#out + 1] = redis.sha1hex(told)
  out[#out + 1] = string.sub(v, 1, {ENVELOPE_BYTES})
end
return out
"""
_MONOTONIC_MOST_NS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class _End:
    """One end of the list: what lies there, and since when it is known to."""

    digest: bytes
    since_ns: int


class RedisList:
    """One list of a server."""

    def __init__(self, key: str) -> None:
        self.name = key
        self._ends: tuple[_End, _End] | None = None
        self._depth = 0
        self._moves = 0

    def check(self, server: Server) -> None:
        """Raises UsageError where the key is something else. A list that is empty does not exist."""
        server.must_hold(self.name, "list")

    def look(self, server: Server) -> Queue:
        """As it is now."""
        depth, ends = self._seen(server)
        before_ns = time.monotonic_ns()
        if depth < self._depth:
            self._moves += self._depth - depth
        shorter, self._depth = depth < self._depth, depth
        if depth == 0:
            self._ends = None
            return Queue(self.name, 0, 0.0, handled=self._moves, bound=True)
        if ends is None:
            self._ends = None
            return Queue(self.name, depth, note="its items are too large to be looked at")
        (first, head), (last, tail) = ends
        due_ns = _due(head, tail) if server.local else 0
        age_s = (before_ns - due_ns) / 1e9 if 0 < due_ns <= before_ns else None
        if depth > 1 and first == last:
            self._ends = None
            return Queue(self.name, depth, age_s, note="its items cannot be told apart")
        self._follow(first, last, before_ns, counted=shorter)
        assert self._ends is not None  # noqa: S101  (followed)
        known_s = (before_ns - min(end.since_ns for end in self._ends)) / 1e9
        oldest_s = known_s if age_s is None else max(age_s, known_s)
        return Queue(
            self.name, depth, oldest_s, at_least=age_s is None, handled=self._moves, bound=True
        )  # fmt: skip

    def _follow(self, first: bytes, last: bytes, now_ns: int, *, counted: bool) -> None:
        old = self._ends
        if old is not None and not counted and first != old[0].digest and last != old[1].digest:
            self._moves += 1
        self._ends = (
            old[0] if old and old[0].digest == first else _End(first, now_ns),
            old[1] if old and old[1].digest == last else _End(last, now_ns),
        )

    def _seen(self, server: Server) -> tuple[int, list[tuple[bytes, bytes]] | None]:
        """Length; and of each end what tells it from others, and its first bytes."""
        try:
            found = server.script(_ENDS, self.name)
        except NoScripts:
            return self._fetched(server)
        words = found if isinstance(found, list) else [0]
        depth = (whole(words[0]) if words else None) or 0
        kept = [word for word in words[1:] if isinstance(word, bytes)]
        return depth, [(kept[0], kept[1]), (kept[2], kept[3])] if len(kept) == 4 else None

    def _fetched(self, server: Server) -> tuple[int, list[tuple[bytes, bytes]] | None]:
        depth = whole(server.ask("LLEN", self.name)) or 0
        if not depth or not server.affordable(self.name, depth):
            return depth, None
        values = [server.ask("LINDEX", self.name, place) for place in (0, -1)]
        ends = [(digest(each), each[:ENVELOPE_BYTES]) for each in values if isinstance(each, bytes)]
        # Between the questions it may have been emptied.
        return depth, ends if len(ends) == 2 else None


def _due(*starts: bytes) -> int:
    """When the older of two messages of benchkit was due, ns of the producer's clock; 0: not told."""
    told = []
    for start in starts:
        try:
            unpack_envelope(start)
        except MessageError:
            return 0
        told.append(due_of(start))
    return min(told) if all(0 < due < _MONOTONIC_MOST_NS for due in told) else 0
