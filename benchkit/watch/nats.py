"""NATS JetStream: streams and their consumers, by the requests for information of the JetStream API.

STREAM.INFO, CONSUMER.INFO and CONSUMER.LIST change nothing. Of one message, the oldest that a consumer has not
acknowledged, the time is asked for by STREAM.MSG.GET, which reads without consuming; it answers with the payload too,
so where messages are large that age is known only when that message is the first of the stream.
https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from benchkit.errors import BrokerError, UsageError
from benchkit.watch.base import Look, Party, Queue, whole

if TYPE_CHECKING:
    from benchkit.transports._nats.wire import Wire

API: Final = "$JS.API"
MOST_CONSUMERS: Final = 256
"""Shown of one stream: one page of the server's answer."""
MOST_FETCHED_BYTES: Final = 256 << 10
"""Of messages on the average, beyond which none is asked for."""
_NO_STREAM: Final = 10059
_NO_CONSUMER: Final = 10014
_NO_MESSAGE: Final = 10037


class Nats:
    """One server, some of its streams; all consumers of them where none is named."""

    def __init__(self, url: str, streams: tuple[str, ...], consumers: tuple[str, ...] = ()) -> None:
        from benchkit.transports._nats.connect import shown, target

        try:
            target(url)
        except BrokerError as error:
            raise UsageError(error.what, where=error.where, remedy=error.remedy) from None
        self._url = url
        self.party = "broker"
        self.pipeline = shown(url)
        self._streams, self._consumers = streams, consumers
        self._wire: Wire | None = None
        self._inbox = b""
        self._times: dict[tuple[str, int], str] = {}
        """Of the last message asked for of each stream."""

    def open(self) -> None:
        """Connect; raises BrokerError."""
        from benchkit.transports._nats.connect import connect

        self.close()
        try:
            self._wire = connect(self._url)
        except BrokerError as error:
            remedy = error.remedy.replace(", or leave `url` out for a server of the run's own", "")
            raise BrokerError(error.what, where=error.where, remedy=remedy) from None
        # Answers come there: no other client may listen to the same.
        self._inbox = f"_INBOX.benchkit.{secrets.token_hex(12)}".encode()

    def check(self) -> None:
        """Raises UsageError where a stream or consumer that is named does not exist."""
        missing = [party for party in self.look().parties if party.alive is False]
        if missing:
            raise UsageError(f"{missing[0].name}: {missing[0].note}", where=self.pipeline)

    def close(self) -> None:
        """Let go of the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def look(self) -> Look:
        """All streams."""
        queues: list[Queue] = []
        parties = [Party(self.party, True)]
        notes: list[str] = []
        for name in self._streams:
            told = self._ask(f"STREAM.INFO.{name}", _NO_STREAM)
            if told is None:
                parties.append(Party(f"stream {name}", False, note="there is no such stream"))
                continue
            parties.append(Party(f"stream {name}", True))
            self._stream(name, told, queues, parties, notes)
        return Look(tuple(queues), tuple(parties), tuple(notes))

    def _stream(
        self, name: str, told: Mapping[str, Any], queues: list[Queue], parties: list[Party], notes: list[str]
    ) -> None:
        state = _map(told.get("state"))
        now_s = _moment(told.get("ts")) or time.time()
        consumers = self._named(name, parties) if self._consumers else self._all(name, notes)
        arrived, messages = whole(state.get("last_seq")), whole(state.get("messages")) or 0
        if not consumers:
            first_s = _moment(state.get("first_ts"))
            oldest_s = 0.0 if not messages else None if first_s is None else max(0.0, now_s - first_s)
            count = whole(state.get("consumer_count"))
            queues.append(Queue(name, messages, oldest_s, consumers=count, arrived=arrived))
        queues += [self._consumer(name, each, state, now_s) for each in consumers]

    def _named(self, stream: str, parties: list[Party]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for consumer in self._consumers:
            told = self._ask(f"CONSUMER.INFO.{stream}.{consumer}", _NO_CONSUMER)
            name = f"consumer {stream}/{consumer}"
            parties.append(Party(name, told is not None, note="" if told else "there is no such consumer"))
            if told is not None:
                found.append(told)
        return found

    def _all(self, stream: str, notes: list[str]) -> list[Mapping[str, Any]]:
        told = self._ask(f"CONSUMER.LIST.{stream}", _NO_STREAM) or {}
        listed = told.get("consumers")
        found: list[Mapping[str, Any]] = [
            each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict)
        ]
        if len(found) > MOST_CONSUMERS or (whole(told.get("total")) or 0) > len(found):
            notes.append(
                f"{stream} has more than {len(found)} consumers: name those to watch with --consumer"
            )
        return found[:MOST_CONSUMERS]

    def _consumer(
        self, stream: str, told: Mapping[str, Any], state: Mapping[str, Any], now_s: float
    ) -> Queue:
        waiting, pending = whole(told.get("num_pending")), whole(told.get("num_ack_pending")) or 0
        delivered = whole(_map(told.get("delivered")).get("consumer_seq"))
        depth = None if waiting is None else waiting + pending
        oldest_s: float | None = 0.0
        if depth != 0:
            floor = whole(_map(told.get("ack_floor")).get("stream_seq")) or 0
            since = self._added(stream, floor + 1, state)
            oldest_s = None if since is None else max(0.0, now_s - since)
        return Queue(
            f"{stream}/{told.get('name')}", depth, oldest_s, pending=pending,
            arrived=whole(state.get("last_seq")),
            # A message that is delivered again is a delivery more, and dealt with once more.
            handled=None if delivered is None else max(0, delivered - pending),
        )  # fmt: skip

    def _added(self, stream: str, seq: int, state: Mapping[str, Any]) -> float | None:
        """When a message was stored, seconds since 1970, or the first one after it that is still there."""
        first, messages = whole(state.get("first_seq")) or 0, whole(state.get("messages")) or 0
        if seq <= first:
            return _moment(state.get("first_ts"))
        if (stream, seq) in self._times:
            return _moment(self._times[stream, seq])
        if not messages or (whole(state.get("bytes")) or 0) > messages * MOST_FETCHED_BYTES:
            return None
        told = self._ask(f"STREAM.MSG.GET.{stream}", _NO_MESSAGE, {"seq": seq})
        if told is None:
            return None
        moment = str(_map(told.get("message")).get("time"))
        self._times = {key: kept for key, kept in self._times.items() if key[0] != stream}
        self._times[stream, seq] = moment
        return _moment(moment)

    def _ask(self, request: str, absent: int, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """One answer; None where the server says that it does not exist."""
        from benchkit.transports._nats.wire import Refused

        assert self._wire is not None  # noqa: S101  (opened)
        try:
            return self._wire.ask(f"{API}.{request}", body, self._inbox)
        except Refused as error:
            if error.code == absent:
                return None
            raise BrokerError(
                f"the broker refuses {request.partition('.')[0]}.INFO: {error}", where=self.pipeline,
                remedy="start it with -js; allow this user $JS.API.STREAM.> and $JS.API.CONSUMER.>",
            ) from None  # fmt: skip
        except BrokerError as error:
            raise BrokerError(error.what, where=self.pipeline, remedy=error.remedy) from None


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(told: object) -> float | None:
    """Seconds since 1970 of a time as the API writes it; None where it is none, or the year 1."""
    try:
        moment = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() if moment.year > 1970 else None
