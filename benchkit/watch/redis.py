"""A Redis or Valkey with the lists and streams that are watched on it."""

from __future__ import annotations

from benchkit.watch.base import Look, Party
from benchkit.watch.redis_list import RedisList
from benchkit.watch.redis_server import Server
from benchkit.watch.redis_stream import RedisStream


class Redis:
    """One server: one connection for all that is looked at."""

    def __init__(
        self, url: str, lists: tuple[str, ...], streams: tuple[str, ...], groups: tuple[str, ...] = ()
    ) -> None:
        self._server = Server(url)
        self.party = "broker"
        self.pipeline = self._server.where
        self._lists = [RedisList(key) for key in lists]
        self._streams = [RedisStream(key, groups) for key in streams]

    def open(self) -> None:
        """Connect; raises BrokerError."""
        self._server.open()

    def check(self) -> None:
        """Raises UsageError where a key is not what it is said to be."""
        for each in (*self._lists, *self._streams):
            each.check(self._server)

    def look(self) -> Look:
        """All lists and streams."""
        queues = [each.look(self._server) for each in self._lists]
        parties = [Party(self.party, True)]
        for stream in self._streams:
            look = stream.look(self._server)
            queues += look.queues
            parties += look.parties
        return Look(tuple(queues), tuple(parties))

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()
