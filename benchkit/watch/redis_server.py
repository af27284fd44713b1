"""A Redis or Valkey that is only read from.

Scripts run by EVAL_RO, in which the server itself refuses every command that writes; they fetch of a value what is
needed and not its megabytes. Where it may not be called (Redis 6.2, a user without @scripting) small values are
fetched as they are and of large ones nothing is known. CLIENT NO-TOUCH leaves the keys' idle times as they were.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from benchkit.errors import BrokerError, UsageError
from benchkit.watch.base import text

if TYPE_CHECKING:
    from benchkit.transports._redis.resp import Answer, Resp

Word: TypeAlias = "str | bytes | int"
MOST_FETCHED_BYTES: Final = 256 << 10
"""Of one value, without scripts."""
_LOCAL: Final = ("localhost", "127.0.0.1", "::1", "")


class Server:
    """One connection."""

    def __init__(self, url: str) -> None:
        from benchkit.transports._redis.connect import check, shown

        try:
            check(url)
        except BrokerError as error:
            raise UsageError(error.what, where=error.where, remedy=error.remedy) from None
        self._url = url
        self.where = shown(url)
        parts = urlsplit(url)
        self.local = parts.scheme == "unix" or (parts.hostname or "") in _LOCAL
        """Its clients are of this host, as far as anything tells: moments of the monotonic clock mean something."""
        self._resp: Resp | None = None
        self._scripts = True

    def open(self) -> None:
        """Connect; raises BrokerError."""
        from benchkit.transports._redis.connect import connect
        from benchkit.transports._redis.resp import Refused

        self.close()
        try:
            resp = connect(self._url)
        except BrokerError as error:
            known = "user or password" in error.what
            remedy = "correct them in the URL" if known else "start the server, or correct the URL"
            raise BrokerError(error.what, where=error.where, remedy=remedy) from None
        # Servers before 7.2 do not know it.
        with suppress(Refused):
            resp.call("CLIENT", "NO-TOUCH", "ON")
        self._resp, self._scripts = resp, True

    def close(self) -> None:
        """Let go of the connection."""
        resp, self._resp = self._resp, None
        if resp is not None:
            resp.close()

    def ask(self, *words: Word) -> Answer:
        """One command that reads; raises BrokerError, and UsageError where the key holds something else."""
        from benchkit.transports._redis.resp import Refused

        assert self._resp is not None  # noqa: S101  (opened)
        try:
            return self._resp.call(*words)
        except Refused as error:
            _absent(error)
            if str(error).startswith("WRONGTYPE"):
                raise UsageError("the key holds something else", where=f"{self.where} {words[1]!s}") from None
            raise BrokerError(
                f"the broker refuses {words[0]!s}: {error}", where=self.where,
                remedy="allow this user the commands that read (ACL category @read)",
            ) from None  # fmt: skip
        except BrokerError as error:
            raise BrokerError(error.what, where=self.where, remedy=error.remedy) from None

    def script(self, lines: str, key: str, *more: Word) -> Answer:
        """What a script says that cannot write; raises NoScripts where this server or user has none."""
        if not self._scripts:
            raise NoScripts
        from benchkit.transports._redis.resp import Refused

        assert self._resp is not None  # noqa: S101  (opened)
        try:
            return self._resp.call("EVAL_RO", lines, 1, key, *more)
        except Refused as error:
            if str(error).startswith(("NOPERM", "ERR unknown command")):
                self._scripts = False
                raise NoScripts from None
            _absent(error)
            raise BrokerError(f"the broker refuses a look: {error}", where=self.where) from None

    def must_hold(self, key: str, kind: str) -> bool:
        """Whether the key exists; raises UsageError where it is of another kind."""
        found = self.ask("TYPE", key)
        if found == b"none":
            return False
        if found != kind.encode():
            held = text(found) if isinstance(found, bytes) else "?"
            other = f"watch it with --{held}" if held in ("list", "stream") else "name another key"
            raise UsageError(f"{key!r} is no {kind} but a {held}", where=self.where, remedy=other)
        return True

    def affordable(self, key: str, count: int) -> bool:
        """Its values are small enough, on the average, to be fetched as they are."""
        nbytes = self.ask("MEMORY", "USAGE", key, "SAMPLES", 5)
        return type(nbytes) is int and nbytes <= count * MOST_FETCHED_BYTES


class NoScripts(Exception):
    """EVAL_RO is not there, or not allowed."""


class NoKey(Exception):
    """The key went away between two questions."""


def _absent(error: Exception) -> None:
    if "no such key" in str(error).lower():
        raise NoKey from None


def digest(value: bytes) -> bytes:
    """As the scripts' sha1hex: tells one value from another, no more."""
    return sha1(value, usedforsecurity=False).hexdigest().encode()
