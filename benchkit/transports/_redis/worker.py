"""What the stage worker's ends of both Redis transports have in common.

Two connections. One takes messages: its blocking command stays outstanding when `receive` times out, so that
nothing can be lost between giving up and asking again. The other carries replies and acknowledgements, in
order, without waiting for their answers; those are read before they pile up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._redis.claims import producer_of
from benchkit.transports._redis.connect import connect, info, path, shown
from benchkit.transports._redis.place import KEEP_S, KEPT_S, PRODUCER_BYTES, Place
from benchkit.transports._redis.resp import CRLF, Answer, Refused, Resp, command, opening
from benchkit.transports.base import Delivery, Receiver
from benchkit.transports.buffers import Pool

_UNREAD = 32
"""Answers to replies and acknowledgements that are left until the next look."""
_LOOK_IDLE_S = 1.0
_LOOK_BUSY_S = 5.0


class RedisDelivery(Delivery):
    """A message in a slot of its receiver; `mark` is its id in a stream, empty in a list."""

    __slots__ = ("_producer", "_receiver", "_slot", "claim", "mark", "view")

    def __init__(
        self, receiver: RedisReceiver, slot: memoryview, nbytes: int, mark: bytes = b"", producer: int = 0
    ) -> None:
        self.claim = b""
        """What stands for the payload in the list or stream; empty where that is the payload itself."""
        self._producer = producer
        self.view = slot[:nbytes].toreadonly()
        self.mark = mark
        self._slot: memoryview | None = slot
        self._receiver = receiver

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Pushed to the producer's list, gathered; the answer is not awaited."""
        self._receiver.push(parts, self._producer)

    def ack(self) -> None:
        """Written at once; the answer is not awaited."""
        self._receiver.acknowledge(self)

    def release(self) -> None:
        """The slot goes back to the receiver."""
        if self._slot is not None:
            self._receiver.pool.give(self._slot)
            self._slot = None


class RedisReceiver(Receiver):
    """Takes messages on one connection and answers on another; the last methods differ."""

    def __init__(self, place: Place, worker: int) -> None:
        self.place = place
        self.worker = worker
        self.where = shown(place.url)
        self.pool = Pool(place.message_bytes + PRODUCER_BYTES + len(CRLF), ready=2)
        self.behind = False
        """Whether `left_behind` has something to look for."""
        self._reply_heads = [opening(3, "RPUSH", name) + b"$%d\r\n" for name in place.reply_lists]
        self._unread = 0
        self._asked = False
        self._looked_s = monotonic()
        self.takes = connect(place.url, place.sockets)
        try:
            self.gives = connect(place.url, place.sockets)
        except BrokerError:
            self.takes.close()
            raise
        try:
            self.client = self._own_id()
            self.life = info(self.gives, place.url, "server").get("run_id", "")
            self._request = self.join()
            self._keep()
        except Refused as error:
            self.takes.close()
            self.gives.close()
            raise self.refused(error) from None
        except BaseException:
            self.takes.close()
            self.gives.close()
            raise

    def receive(self, timeout: float) -> RedisDelivery | None:
        """The next message; the broker goes on waiting for one when this returns None."""
        if self._unread >= _UNREAD:
            self.settle(_UNREAD // 2)
        if self.behind and (left := self.left_behind()) is not None:
            return left
        takes = self.takes
        while True:
            if not self._asked:
                takes.write(self._request)
                self._asked = True
            if not takes.ready(timeout):
                self._look(_LOOK_IDLE_S)
                return None
            self._asked = False
            delivery = self.taken()
            if delivery is not None:
                self._look(_LOOK_BUSY_S)
                return delivery

    def _look(self, interval_s: float) -> None:
        # Only here is no message on its way to this worker, so that none of its own looks left behind.
        now_s = monotonic()
        if now_s >= self._keep_s:
            self._keep()
        if self.place.workers > 1 and now_s - self._looked_s >= interval_s:
            self.look()
            self._looked_s = monotonic()

    def _keep(self) -> None:
        keys = (*self.place.lasting, *self.own())
        self.tell(b"".join([command("EXPIRE", key, KEPT_S) for key in keys]), len(keys))
        self._keep_s = monotonic() + KEEP_S

    def push(self, parts: Sequence[Buffer], producer: int) -> None:
        """Push one reply."""
        nbytes = total_bytes(parts)
        head = self._reply_heads[producer] % nbytes
        self.gives.send((head, *parts, CRLF), len(head) + nbytes + 2)
        self._unread += 1

    def tell(self, commands: bytes, answers: int) -> None:
        """Write commands on the second connection and leave their answers for later."""
        self.gives.write(commands)
        self._unread += answers

    def producer(self, named: Buffer) -> int:
        """Whose message it is, of several producers; raises BrokerError when it is nobody's."""
        number = int.from_bytes(named, "little") if len(named) == PRODUCER_BYTES else self.place.producers
        self.check_producer(number)
        return number

    def check_producer(self, number: int) -> None:
        """Raises BrokerError where the cell has no such producer."""
        if number >= self.place.producers:
            raise BrokerError("a message in the queue is of no producer of this cell", where=self.where)

    def fetched(self, resp: Resp, claim: bytes, mark: bytes = b"") -> RedisDelivery | None:
        """The payload behind a claim, landed in a slot; None when it has been deleted or has expired."""
        named = producer_of(claim)
        producer = int(named) if named.isdigit() else self.place.producers
        self.check_producer(producer)
        resp.write(command("GET", self.place.payload(claim)))
        landed = resp.payload(self.pool)
        if landed is None:
            return None
        delivery = RedisDelivery(self, *landed, mark, producer)
        delivery.claim = claim
        return delivery

    def settle(self, left: int = 0) -> None:
        """Read outstanding answers until `left` remain; raises BrokerError when one is an error."""
        while self._unread > left:
            answer = self.gives.read()
            self._unread -= 1
            if isinstance(answer, Refused):
                raise self.refused(answer)

    def refused(self, error: Refused) -> BrokerError:
        """What this end does beside taking messages, and the server would not have."""
        return BrokerError(
            f"the broker refuses a reply or an acknowledgement: {error}",
            where=self.where,
            remedy="raise its maxmemory" if str(error).startswith("OOM") else "see its log",
        )

    def ask(self, *words: bytes | str | int) -> Answer:
        """One command on the second connection and its answer; raises Refused."""
        self.settle()
        return self.gives.call(*words)

    def end_client(self, client: int) -> bool:
        """End a connection, so that nothing is handed to it any more; False where that is forbidden."""
        try:
            self.ask("CLIENT", "KILL", "ID", client)
        except Refused:
            return False
        return True

    def _own_id(self) -> int:
        try:
            client = self.takes.call("CLIENT", "ID")
        except Refused as error:
            raise BrokerError(
                f"the broker refuses CLIENT ID: {error}",
                where=self.where,
                remedy="allow this user the command CLIENT",
            ) from None
        return client if isinstance(client, int) else 0

    def path(self) -> Mapping[str, str]:
        """Of both connections; the server as it answers on the one that carries replies."""
        self.settle()
        return path((self.gives, self.takes), self.place.url, self.place.sockets)

    def close(self) -> None:
        """Take nothing more, leave what was not acknowledged to others, close."""
        with suppress(BrokerError, Refused):
            self.settle()
            # Closing alone would leave a moment in which the broker still hands a message to this end.
            if self.end_client(self.client):
                self.leave()
        self.takes.close()
        self.gives.close()

    def join(self) -> bytes:
        """Announce this receiver, put back what its predecessors left; the command that takes a message."""
        raise NotImplementedError

    def taken(self) -> RedisDelivery | None:
        """The answer to that command, or None when there was nothing after all."""
        raise NotImplementedError

    def acknowledge(self, delivery: RedisDelivery) -> None:
        """Remove the message from what this worker holds."""
        raise NotImplementedError

    def left_behind(self) -> RedisDelivery | None:
        """A message that an earlier worker left and that does not come by itself."""
        return None

    def own(self) -> tuple[str, ...]:
        """Keys of this worker alone."""
        return ()

    def look(self) -> None:
        """Look for what dead peers hold."""

    def leave(self) -> None:
        """Make what was not acknowledged available to others; nothing is handed to this end any more."""
