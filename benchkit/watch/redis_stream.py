"""A Redis stream and its consumer groups.

The id of an entry is the server's time at which it was added (XADD with `*`), so ages are exact, on the server's own
clock; ids of another make tell no time, and the age is unknown. What waits for a group is its lag and what is
pending. Of streams from which entries are deleted the server does not know the lag: then what was delivered and is
still there is counted, where that is little; Redis before 7 has no lags and no counters.
https://redis.io/docs/latest/commands/xinfo-groups/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchkit.watch.base import Look, Party, Queue, pairs, text, whole
from benchkit.watch.redis_server import NoKey, NoScripts, Server

MOST_CONSUMERS: Final = 256
"""Shown of one group."""
_LEFT_S: Final = 600.0
"""A consumer that is idle for longer and has nothing pending when it is first seen was left by a worker of old."""
_EARLIEST_MS: Final = 1_000_000_000_000
"""2001: an id before that is no time."""
_STREAM: Final = """
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local out = {}
for i = 1, #info, 2 do
  local v = info[i + 1]
  if type(v) == 'table' then v = v[1] end
  if type(v) == 'string' or type(v) == 'number' then
    out[#out + 1] = info[i]
    out[#out + 1] = v
  end
end
return out
"""
_NEXT: Final = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 1)
return found[1] and found[1][1] or false
"""
_COUNT: Final = """
return #redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', ARGV[2])
"""
_MOST_COUNTED: Final = 64
_NEVER: Final = "0-0"
"""The last id that was delivered to a group that nothing was delivered to."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a stream says of itself."""

    length: int
    first: str
    """Id of the first entry; empty: none, or not known."""
    added: int | None
    """Entries that were ever added; not told before Redis 7."""


class RedisStream:
    """One stream of a server."""

    def __init__(self, key: str, groups: tuple[str, ...] = ()) -> None:
        self.name = key
        self._wanted = groups
        self._heard: set[tuple[str, str]] = set()

    def check(self, server: Server) -> None:
        """Raises UsageError where the key is something else."""
        server.must_hold(self.name, "stream")

    def look(self, server: Server) -> Look:
        """The stream, or each group of it where it has some."""
        try:
            if server.must_hold(self.name, "stream"):
                return self._look(server)
        except NoKey:
            pass
        return Look((Queue(self.name, 0, 0.0, note="there is no such stream"),))

    def _look(self, server: Server) -> Look:
        now_ms = _now_ms(server)
        stream = self._told(server)
        groups = [dict(pairs(each)) for each in _listed(server.ask("XINFO", "GROUPS", self.name))]
        wanted = [each for each in groups if not self._wanted or text(each.get("name")) in self._wanted]
        if not groups:
            age = _age_s(stream.first, now_ms) if stream.length else 0.0
            queue = Queue(self.name, stream.length, age, arrived=stream.added, note="no consumer group")
            return Look((queue,))
        queues: list[Queue] = []
        parties: list[Party] = []
        for group in wanted:
            name = text(group.get("name"))
            queues.append(self._group(server, name, group, stream, now_ms))
            parties += self._consumers(server, name)
        absent = set(self._wanted) - {text(each.get("name")) for each in groups}
        parties += [
            Party(f"group {self.name}/{name}", False, note="there is no such group")
            for name in sorted(absent)
        ]
        return Look(tuple(queues), tuple(parties))

    def _told(self, server: Server) -> _Stream:
        try:
            told = dict(pairs(server.script(_STREAM, self.name)))
        except NoScripts:
            length = whole(server.ask("XLEN", self.name)) or 0
            return _Stream(length, self._next(server, "-", length), None)
        return _Stream(
            whole(told.get("length")) or 0,
            text(told.get("first-entry", "")),
            whole(told.get("entries-added")),
        )

    def _next(self, server: Server, start: str, length: int) -> str:
        """The id of the first entry from `start` on; empty: there is none, or it is not known."""
        if not length:
            return ""
        try:
            found = server.script(_NEXT, self.name, start)
        except NoScripts:
            if not server.affordable(self.name, length):
                return ""
            entries = _listed(server.ask("XRANGE", self.name, start, "+", "COUNT", 1))
            found = _listed(entries[0])[0] if entries and _listed(entries[0]) else None
        return text(found) if isinstance(found, bytes) else ""

    def _group(
        self, server: Server, name: str, group: dict[str, object], stream: _Stream, now_ms: int
    ) -> Queue:
        pending, last = whole(group.get("pending")) or 0, text(group.get("last-delivered-id", _NEVER))
        lag = self._lag(server, group, pending, stream, last)
        read = whole(group.get("entries-read")) if last != _NEVER else 0
        oldest = self._oldest(server, name, last, pending, lag)
        depth = None if lag is None else lag + pending
        return Queue(
            f"{self.name}/{name}", depth, 0.0 if depth == 0 else _age_s(oldest, now_ms),
            pending=pending, consumers=whole(group.get("consumers")), arrived=stream.added,
            handled=_handled(read, pending, depth, stream.added),
            note="" if lag is not None else "the server does not know how many wait",
        )  # fmt: skip

    def _lag(
        self, server: Server, group: dict[str, object], pending: int, stream: _Stream, last: str
    ) -> int | None:
        """Entries that were not delivered to the group; None: unknown."""
        if (told := whole(group.get("lag"))) is not None or not stream.length:
            return told or 0
        if stream.first and _order(stream.first) > _order(last):
            return stream.length
        if pending >= _MOST_COUNTED or not server.affordable(self.name, stream.length):
            return None
        try:
            delivered = whole(server.script(_COUNT, self.name, last, _MOST_COUNTED))
        except NoScripts:
            delivered = len(_listed(server.ask("XRANGE", self.name, "-", last, "COUNT", _MOST_COUNTED)))
        return None if delivered is None or delivered >= _MOST_COUNTED else stream.length - delivered

    def _oldest(self, server: Server, name: str, last: str, pending: int, lag: int | None) -> str:
        """The first entry that is not acknowledged: pending, or not delivered yet."""
        if pending:
            summary = _listed(server.ask("XPENDING", self.name, name))
            least = summary[1] if len(summary) > 1 else None
            # What is delivered was added before what is not.
            return text(least) if isinstance(least, bytes) else ""
        if lag == 0:
            return ""
        return self._next(server, f"({last}", 1)

    def _consumers(self, server: Server, group: str) -> list[Party]:
        found = []
        for each in _listed(server.ask("XINFO", "CONSUMERS", self.name, group))[:MOST_CONSUMERS]:
            told = dict(pairs(each))
            name, idle_ms = text(told.get("name")), whole(told.get("idle"))
            if idle_ms is None:
                continue
            busy = bool(whole(told.get("pending")))
            if busy or idle_ms < _LEFT_S * 1000:
                self._heard.add((group, name))
            if (group, name) in self._heard:
                found.append(Party(f"{self.name}/{group}/{name}", idle_s=idle_ms / 1000))
        return found


def _handled(read: int | None, pending: int, depth: int | None, added: int | None) -> int | None:
    """Acknowledged by the group. Where deletions have cost the server its count of what was read: what was added
    and neither waits nor is pending; who deletes entries that nobody has read counts as one who handles them."""
    if read is not None:
        return max(0, read - pending)
    return None if depth is None or added is None else max(0, added - depth)


def _order(entry: str) -> tuple[int, int]:
    """Ids in the order in which a stream has them."""
    stamp, _, number = entry.partition("-")
    return (int(stamp), int(number or 0)) if stamp.isdecimal() and (number or "0").isdecimal() else (0, 0)


def _listed(answer: object) -> list[object]:
    return answer if isinstance(answer, list) else []


def _now_ms(server: Server) -> int:
    seconds, micros = (_listed(server.ask("TIME")) + [b"0", b"0"])[:2]
    return int(text(seconds)) * 1000 + int(text(micros)) // 1000


def _age_s(entry: str, now_ms: int) -> float | None:
    """How long ago an entry was added, by its id; None where it is no time."""
    stamp = entry.partition("-")[0]
    if not stamp.isdecimal() or len(stamp) > 15 or int(stamp) < _EARLIEST_MS:
        return None
    # The clock of a server that took over from another may be a little behind.
    return max(0, now_ms - int(stamp)) / 1000
