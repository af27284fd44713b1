"""Commands and answers on one link: the Redis serialization protocol, versions 2 and 3.

Waiting has a timeout only between answers; once an answer has begun, the rest follows (links.PATIENCE_S).
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import Pool, staged
from benchkit.transports.links import Link

CRLF = b"\r\n"
MAX_VALUE_BYTES = 512 << 20
"""proto-max-bulk-len of an unchanged server: the longest value that it takes."""
_SCRATCH_BYTES = 16 << 10
_SHORT_BYTES = 16 << 20
_MOST_DEPTH = 32
_MOST_PARTS = 1 << 16
"""Of one list: a thousand claims at a time are asked for, with a few parts each."""
_MOST_PARTS_IN_ALL = 1 << 20
"""Of one answer with all lists in it: 32 lists in each other would have room for any number."""
_MOST_DIGITS = 20
_BULK, _VERBATIM, _ERROR, _ARRAY, _SET, _MAP, _PUSH, _ATTRIBUTE, _NULL = b"$=!*~%>|_"
_MANY = {_ARRAY: 1, _SET: 1, _MAP: 2}


class Refused(Exception):
    """The server's error to one command."""


Commands: TypeAlias = Sequence[tuple[str | int, ...]]
Answer: TypeAlias = "int | bool | float | bytes | Refused | list[Answer] | None"


def _whole(digits: bytes) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError
    return int(digits)


_SIMPLE: dict[int, Callable[[bytes], Answer]] = {
    ord(":"): _whole,
    ord("("): int,
    ord("+"): bytes,
    ord(","): float,
    ord("#"): lambda rest: rest == b"t",
    ord("-"): lambda rest: Refused(rest.decode(errors="replace")),
    _NULL: lambda _: None,
}


def command(*words: bytes | str | int) -> bytes:
    """A whole command in RESP: an array of bulk strings."""
    return opening(len(words), *words)


def opening(count: int, *words: bytes | str | int) -> bytes:
    """The first words of a command that has `count` words."""
    out = [b"*%d\r\n" % count]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class Resp:
    """One connection: commands out, answers in, in order."""

    __slots__ = ("_close", "_depth", "_end", "_link", "_memory", "_parts", "_start", "_view", "send", "sock")

    def __init__(self, link: Link, close: Callable[[], None], sock: socket.socket | None = None) -> None:
        self._link = link
        self.sock = sock
        """The live socket, to be asked what it is."""
        self._close = close
        self._memory = bytearray(_SCRATCH_BYTES)
        self._view = memoryview(self._memory)
        self._start = self._end = self._depth = self._parts = 0
        self.send: Callable[[Sequence[Buffer], int], None] = link.write

    def write(self, data: bytes) -> None:
        """Send whole commands without waiting for their answers."""
        self.send((data,), len(data))

    def buffered(self) -> bool:
        """Whether an answer is here already; asks no one."""
        return self._start < self._end

    def ready(self, timeout_s: float) -> bool:
        """Whether an answer has begun to arrive within `timeout_s` (0: no wait)."""
        if self._start < self._end:
            return True
        self._start, self._end = 0, self._link.arrive(self._view, timeout_s)
        return self._end > 0

    def call(self, *words: bytes | str | int) -> Answer:
        """One command and its answer; raises Refused. No other answer may be outstanding."""
        self.write(command(*words))
        answer = self.read()
        if isinstance(answer, Refused):
            raise answer
        return answer

    def read(self) -> Answer:
        """The next answer. A map is a flat list; an error is a Refused, returned and not raised."""
        line = self._line()
        kind = line[0]
        simple = _SIMPLE.get(kind)
        if simple is not None:
            try:
                return simple(bytes(line[1:]))
            except ValueError:
                raise self._stranger(line) from None
        count = self._count(line)
        if count < 0:
            return None
        if kind == _BULK or kind == _VERBATIM:  # noqa: SIM109  (twice as fast, for every answer)
            return self._bulk(count)
        if kind == _ERROR:
            return Refused(self._bulk(count).decode(errors="replace"))
        if kind in _MANY:
            return self._several(line, count * _MANY[kind])
        raise self._stranger(line)

    def _several(self, line: bytearray, count: int) -> list[Answer]:
        """The parts of an answer; what is nested deeper, or has more parts, than any answer here is refused."""
        self._parts = count if not self._depth else self._parts + count
        self._depth += 1
        try:
            if self._depth > _MOST_DEPTH or count > _MOST_PARTS or self._parts > _MOST_PARTS_IN_ALL:
                raise self._stranger(line)
            return [self.read() for _ in range(count)]
        finally:
            self._depth -= 1

    def header(self) -> tuple[bool, int]:
        """Whether a map begins, and how many items (pairs) the next array or map has; -1 for null."""
        line = self._line()
        kind = line[0]
        if kind == _NULL:
            return False, -1
        if kind not in _MANY:
            raise self._stranger(line)
        return kind == _MAP, self._count(line)

    def payload(self, pool: Pool) -> tuple[memoryview, int] | None:
        """The next bulk string, landed in a slot, and its length; None for null."""
        line = self._line()
        if line[0] != _BULK:
            if line[0] == _NULL or line == b"*-1":
                return None
            raise self._stranger(line)
        nbytes = self._count(line)
        if nbytes < 0:
            return None
        if nbytes > MAX_VALUE_BYTES:
            raise BrokerError(
                f"the broker announces a value of {nbytes} bytes; none has more than {MAX_VALUE_BYTES}"
            )
        whole = nbytes + len(CRLF)
        if whole > pool.nbytes:
            return staged(pool, whole, self._land), nbytes
        slot = pool.take(whole)
        self._land(slot, whole)
        return slot, nbytes

    def _land(self, memory: memoryview, nbytes: int) -> None:
        start = self._start
        have = min(self._end - start, nbytes)
        memory[:have] = self._view[start : start + have]
        self._start = start + have
        if have < nbytes:
            self._link.fill(memory[have:nbytes])

    def _bulk(self, nbytes: int) -> bytes:
        start = self._start
        if start + nbytes + 2 <= self._end:
            self._start = start + nbytes + 2
            return bytes(self._view[start : start + nbytes])
        if nbytes > _SHORT_BYTES:
            raise BrokerError(f"an answer of {nbytes} bytes where a short one was expected")
        memory = bytearray(nbytes + 2)
        self._land(memoryview(memory), nbytes + 2)
        return bytes(memory[:nbytes])

    def _line(self) -> bytearray:
        while True:
            while (stop := self._memory.find(CRLF, self._start, self._end)) < 0:
                self._more()
            line = self._memory[self._start : stop]
            self._start = stop + 2
            if not line:
                raise self._stranger(line)
            if line[0] != _PUSH and line[0] != _ATTRIBUTE:
                return line
            # What the server says unasked: nothing here listens to it.
            self._several(line, self._count(line) * (2 if line[0] == _ATTRIBUTE else 1))

    def _count(self, line: bytearray) -> int:
        digits = line[1:]
        # int() would take underscores and spaces.
        if len(digits) > _MOST_DIGITS or not digits.removeprefix(b"-").isdigit():
            raise self._stranger(line)
        return int(digits)

    def _more(self) -> None:
        rest = self._end - self._start
        if rest == _SCRATCH_BYTES:
            raise self._stranger(self._memory)
        self._view[:rest] = bytes(self._view[self._start : self._end])
        self._start, self._end = 0, rest + self._link.read(self._view[rest:])

    def _stranger(self, line: bytearray) -> BrokerError:
        text = bytes(line[:120]).decode(errors="replace")
        if line[:1] == b"-":
            return BrokerError(f"the broker refused: {text[1:]}")
        return BrokerError(f"not an answer in the Redis protocol: {text!r}")

    def close(self) -> None:
        """Close the connection."""
        self._close()
