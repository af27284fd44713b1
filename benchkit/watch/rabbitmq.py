"""RabbitMQ queues: a passive declaration tells how many are ready and how many consume; nothing is consumed.

What AMQP does not tell (unacknowledged, rates, the age of the oldest) is asked of the management API where a URL of
it is given. Its figures are those of the server's last sample, some seconds old; its rates are the server's own,
because differences of counters that move every five seconds would be saw teeth. The age is known where publishers
set the property `timestamp`. A passive declaration counts as use for a queue with `x-expires`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchkit.errors import BrokerError, UsageError
from benchkit.watch.base import Look, Party, Queue, whole
from benchkit.watch.rabbitmq_api import Management

_MISSING: Final = "there is no such queue"


class Rabbitmq:
    """One virtual host of a server, some of its queues."""

    def __init__(self, url: str, queues: tuple[str, ...], management: str | None = None) -> None:
        from benchkit.transports._rabbitmq.connect import shown, target

        try:
            to = target(url)
        except BrokerError as error:
            raise UsageError(error.what, where=error.where, remedy=error.remedy) from None
        self._url = url
        self.party = "broker"
        self.pipeline = shown(url)
        self._queues = queues
        self._api = Management(management, to.user, to.password, to.vhost) if management else None
        self._connection: Any = None
        self._channel: Any = None

    def open(self) -> None:
        """Connect; raises BrokerError."""
        from benchkit.transports._rabbitmq.connect import errors, opened

        self.close()
        try:
            self._connection = opened(self._url)
            with errors(self._url):
                self._channel = self._connection.channel()
        except BrokerError as error:
            remedy = error.remedy.replace(", or leave `url` out for a server of the run's own", "")
            raise BrokerError(error.what, where=error.where, remedy=remedy) from None

    def check(self) -> None:
        """Raises UsageError where a queue that is named does not exist."""
        missing = next((name for name in self._queues if self._declared(name) is None), None)
        if missing is not None:
            raise UsageError(f"queue {missing}: {_MISSING}", where=self.pipeline)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()

    def look(self) -> Look:
        """All queues."""
        queues: list[Queue] = []
        parties = [Party(self.party, True)]
        notes: list[str] = []
        for name in self._queues:
            counts = self._declared(name)
            parties.append(Party(f"queue {name}", counts is not None, note="" if counts else _MISSING))
            if counts is None:
                continue
            told = self._told(name, parties, notes)
            queues.append(_queue(name, counts, told))
        return Look(tuple(queues), tuple(parties), tuple(notes))

    def _declared(self, name: str) -> tuple[int, int] | None:
        """Messages that are ready, and consumers; None where there is no such queue."""
        from benchkit.transports._rabbitmq.connect import errors, library

        amqp = library()
        with errors(self._url):
            try:
                found = self._channel.queue_declare(name, passive=True)
            except amqp.NotFound:
                # The server closes a channel with its error.
                self._channel = self._connection.channel()
                return None
        return int(found.message_count), int(found.consumer_count)

    def _told(self, name: str, parties: list[Party], notes: list[str]) -> Mapping[str, Any]:
        if self._api is None:
            return {}
        try:
            told = self._api.queue(name)
        except BrokerError as error:
            if not any(party.name == "management" for party in parties):
                parties.append(Party("management", False, note=error.what))
                notes.append(f"{error.where}: {error.what}")
            return {}
        if not any(party.name == "management" for party in parties):
            parties.append(Party("management", True))
        return told


def _queue(name: str, counts: tuple[int, int], told: Mapping[str, Any]) -> Queue:
    ready, consumers = counts
    pending = whole(told.get("messages_unacknowledged"))
    stats = told.get("message_stats")
    stats = stats if isinstance(stats, dict) else {}
    depth = ready + (pending or 0)
    return Queue(
        name, depth, 0.0 if told and depth == 0 else _age_s(told), pending=pending, consumers=consumers,
        arrived=_sum(stats, "publish") if told else None,
        handled=_sum(stats, *_DONE) if told else None,
        in_per_s=_rate(stats, "publish") if told else None,
        out_per_s=_rate(stats, *_DONE) if told else None,
        note="" if told else "unacknowledged, rates and age need --management URL",
    )  # fmt: skip


_DONE: Final = ("ack", "deliver_no_ack", "get_no_ack")
"""A message is done when it is acknowledged, or was sent to one who does not acknowledge."""


def _sum(stats: Mapping[str, Any], *names: str) -> int:
    return sum(whole(stats.get(name)) or 0 for name in names)


def _rate(stats: Mapping[str, Any], *names: str) -> float:
    found = 0.0
    for name in names:
        details = stats.get(f"{name}_details")
        rate = details.get("rate") if isinstance(details, dict) else None
        # JSON as Python reads it has NaN and Infinity, and whole numbers that no float holds.
        found += float(rate) if isinstance(rate, int | float) and 0 <= rate < 1e18 else 0.0
    return found


def _age_s(told: Mapping[str, Any]) -> float | None:
    import time

    stamp = told.get("head_message_timestamp")
    if type(stamp) is not int or not 0 < stamp < 1 << 40:
        return None
    return max(0.0, time.time() - stamp)
