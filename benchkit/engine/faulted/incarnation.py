"""One life of one party: its process, its journal, and what has been seen of both."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchkit.engine.faulted.journal import Events, Reader, What
from benchkit.engine.faulted.roles import Role
from benchkit.errors import RecordError
from benchkit.faults.base import Died


class Incarnation:
    """From its fork to after its death; `follow` takes in what it wrote since."""

    def __init__(self, role: Role, pid: int, at_ns: int) -> None:
        self.role = role
        self.pid = pid
        self.started_ns = at_ns
        self.died: Died | None = None
        self.stopped = False
        self.counts: Counter[int] = Counter()
        """Events by what they are."""
        self.at_hand: set[int] = set()
        """Of a worker: received and not acknowledged."""
        self.taken = -1
        """Of a producer: the last number that it turned to."""
        self.last_ns = 0
        """Of its last event."""
        self.broken = False
        """Its last words about the other side: gone."""
        self._seen = 0
        self._reader: Reader | None = None

    @property
    def lives(self) -> bool:
        """As far as is known."""
        return self.died is None

    @property
    def ready(self) -> bool:
        """Its end is open."""
        return self.lives and self.counts[What.READY] > 0 and not self.broken

    @property
    def reader(self) -> Reader | None:
        """None while there is no journal."""
        if self._reader is None:
            try:
                self._reader = Reader(Path(self.role.journal))
            except (OSError, RecordError):
                return None
        return self._reader

    @property
    def beat_ns(self) -> int:
        """The last heartbeat; its start where there was none."""
        return max(self.started_ns, self.reader.beat_ns if self.reader else 0)

    @property
    def empty_ns(self) -> int:
        """When it last looked for something to do in vain."""
        return self.reader.empty_ns if self.reader else 0

    def follow(self) -> Events | None:
        """What is new; None where nothing is."""
        reader = self.reader
        if reader is None or reader.count == self._seen:
            return None
        events = reader.since(self._seen)
        self._seen += len(events)
        self.last_ns = int(events["at_ns"][-1])
        whats, seqs = events["what"].tolist(), events["seq"].tolist()
        self.counts.update(whats)
        hand = self.at_hand
        for what, seq in zip(whats, seqs, strict=True):
            if what == What.RECEIVED:
                hand.add(seq)
            elif what in (What.ACKED, What.TORN):
                hand.discard(seq)
            elif what == What.TAKEN:
                self.taken = seq
            elif what == What.BROKEN:
                # What it held is somebody else's now.
                self.broken = True
                hand.clear()
            elif what == What.READY:
                self.broken = False
        return events

    def events(self) -> Events:
        """All of them."""
        return self.reader.since(0) if self.reader else Reader.none()

    def done(self) -> str:
        """`17 events, 4 heartbeats, `."""
        reader = self.reader
        return f"{reader.count} events, {reader.beats} heartbeats, " if reader else "no journal, "

    def close(self) -> None:
        """The journal is not looked at any more."""
        if self._reader is not None:
            self._reader.close()
