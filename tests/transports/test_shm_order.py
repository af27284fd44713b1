"""What a weakly ordered processor needs: every word changes under the lock, and payloads are written before it.

No machine at hand reorders stores, so the facts are about the program: which stores stand between which calls of
pthread_mutex_trylock and pthread_mutex_unlock.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from test_shm import ends

from benchkit.transports._shm.layout import HEADER_WORDS
from benchkit.transports._shm.lock import Lock, RobustMutex, robust_mutexes
from benchkit.transports._shm.party import Party
from benchkit.transports._shm.receiver import ShmReceiver
from benchkit.transports._shm.sender import ShmSender
from benchkit.transports._shm.table import DONE, HELD, Table

Event = tuple[str, int]


class Watched:
    """A memoryview whose stores are noted."""

    def __init__(self, view: memoryview, name: str, events: list[Event], states: Container[int] = ()) -> None:
        self._view = view
        self._name = name
        self._events = events
        self._states = states

    def __getitem__(self, index: Any) -> Any:
        return self._view[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        acknowledged = (
            isinstance(index, int)
            and index in self._states
            and (self._view[index] & 0xFF, value & 0xFF) == (HELD, DONE)
        )
        self._view[index] = value
        if acknowledged:
            self._events.append(("acknowledged", index))
        else:
            self._events.append((self._name, index if isinstance(index, int) else index.start))

    def release(self) -> None:
        """As a memoryview's."""
        self._view.release()


class WatchedLock:
    """A lock whose taking and letting go are noted."""

    def __init__(self, lock: Lock, events: list[Event]) -> None:
        self._lock = lock
        self._events = events

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._events.append(("lock", 0))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.append(("unlock", 0))
        self._lock.__exit__(kind, error, trace)


def watch(party: Party, events: list[Event]) -> None:
    """Everything that this party stores from now on."""
    layout = party.segment.layout
    first = layout.headers_word
    states = range(first, first + layout.depth * HEADER_WORDS, HEADER_WORDS)
    words = Watched(party.segment.words, "word", events, states)
    table: Any = party.table
    for holder in (table, table.free, table.ready, table.replied):
        holder._words = words
    party.lock = WatchedLock(party.lock, events)
    party.segment.data = Watched(party.segment.data, "payload", events)
    party.segment.sleeps = Watched(party.segment.sleeps, "sleep", events)


def watch_ends(sender: ShmSender, receiver: ShmReceiver, events: list[Event]) -> None:
    for end, party in ((sender, sender._party), (receiver, receiver.party)):
        watch(party, events)
        end._lock = party.lock
    sender._data = sender._party.segment.data


@pytest.fixture
def life(tmp_path: Path) -> Iterator[list[Event]]:
    """All that is stored while messages go by copying and by a loan, are answered, acknowledged and released."""
    events: list[Event] = []
    with ends(tmp_path, depth=3) as (sender, (receiver,), _):
        watch_ends(sender, receiver, events)
        for number in range(5):
            assert sender.send([b"%d" % number, b"more"], 1)
            slot = sender.loan(100, 1)
            spare = sender.loan(100, 1)
            assert slot is not None
            assert spare is not None
            slot.view[:1] = b"x"
            slot.send(1)
            spare.give_back()
            for _ in range(2):
                delivery = receiver.receive(1)
                assert delivery is not None
                delivery.reply([b"answer"])
                delivery.ack()
                delivery.release()
            assert sender.reply(1) is not None
            assert sender.reply(1) is not None
        assert receiver.receive(0) is None
        yield events


def test_every_word_changes_under_the_lock_but_the_acknowledgement(life: list[Event]) -> None:
    held = False
    stores = {"word": 0, "acknowledged": 0}
    for name, _ in life:
        if name in ("lock", "unlock"):
            held = name == "lock"
        elif name != "acknowledged" and name != "payload":
            assert held, "a word was changed outside the lock"
        if name in stores:
            stores[name] += 1
    assert stores["acknowledged"] == 10
    assert stores["word"] > 100


def test_between_a_payload_and_its_publication_the_lock_is_taken(life: list[Event]) -> None:
    names = [name for name, _ in life]
    following = [after for name, after in itertools.pairwise(names) if name == "payload"]
    assert following.count("lock") == 15  # five messages that were copied and ten answers
    assert set(following) == {"payload", "lock"}
    assert names[-1] == "unlock"


@pytest.mark.skipif(not robust_mutexes(), reason="no robust mutexes on this system")
def test_the_lock_is_a_mutex_of_the_c_library_at_each_taking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    with ends(tmp_path) as (sender, (receiver,), _):
        for lock in (sender._lock, receiver._lock):
            assert isinstance(lock, RobustMutex)
            trylock, unlock = lock._trylock, lock._unlock
            assert (trylock.__name__, unlock.__name__) == ("pthread_mutex_trylock", "pthread_mutex_unlock")
            lock._trylock = lambda address, real=trylock: calls.append("lock") or real(address)
            lock._unlock = lambda address, real=unlock: calls.append("unlock") or real(address)
        publish, claim = Table.publish, Table.claim
        monkeypatch.setattr(Table, "publish", lambda *a: (calls.append("publish"), publish(*a))[1])
        claimed = lambda *a: (calls.append("claim"), claim(*a))[1]  # noqa: E731  (beside its twin)
        monkeypatch.setattr(receiver, "_claim", lambda worker: claimed(receiver.party.table, worker))
        assert sender.send([b"x"], 1)
        assert receiver.receive(1) is not None
    assert calls[calls.index("publish") - 1] == "lock"
    assert calls[calls.index("publish") + 1 : calls.index("claim") + 2] == [
        "unlock",
        "lock",
        "claim",
        "unlock",
    ]
