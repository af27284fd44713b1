"""Facts of the iceoryx2 transport that the conformance suite cannot know."""

import stat
from pathlib import Path

import numpy as np
import pytest
from opened import PATIENCE_S, opened, settle, taken

from benchkit.errors import BrokerError, StorageError
from benchkit.runtime.folders import SEGMENTS
from benchkit.transports.iceoryx2 import Iceoryx2

pytestmark = pytest.mark.quiet

pytest.importorskip("iceoryx2")

SEGMENTS_THERE = pytest.mark.skipif(not SEGMENTS.is_dir(), reason="shared memory has no folder here")


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])


def test_the_view_is_shared_memory_and_begins_on_64_bytes() -> None:
    with opened(Iceoryx2(), message_bytes=1000) as place:
        receiver, sender = place.receiver(), place.sender()
        for nbytes in (1, 63, 64, 999, 1000):
            assert sender.send([bytes(nbytes)], PATIENCE_S)
            delivery = taken(receiver)
            assert _address(delivery.view) % 64 == 0
            if Path("/proc/self/maps").exists():
                assert place.name in _mapping(_address(delivery.view))
            settle(delivery)


def _mapping(address: int) -> str:
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(word, 16) for word in line.split()[0].split("-"))
        if first <= address < last:
            return line
    return ""


@SEGMENTS_THERE
def test_every_file_carries_the_cells_name_and_is_the_owners_alone() -> None:
    before = set(SEGMENTS.iterdir())
    with opened(Iceoryx2(), workers=2) as place:
        place.receiver(0)
        place.receiver(1)
        place.sender()
        mine = [path for path in SEGMENTS.iterdir() if path.name.startswith(f"{place.name}-")]
        assert len(mine) >= 4
        assert [path.name for path in mine if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
        assert not [path for path in set(SEGMENTS.iterdir()) - before if "iox2" in path.name]
    assert not [path for path in SEGMENTS.iterdir() if path.name.startswith(f"{place.name}-")]


@SEGMENTS_THERE
def test_too_little_shared_memory_is_an_error_with_a_remedy() -> None:
    with (
        pytest.raises(StorageError, match="shm-size"),
        opened(Iceoryx2(depth=100_000), message_bytes=1 << 30),
    ):
        pass


def test_a_reply_finds_memory_once_the_dead_were_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchkit.transports._iceoryx2 import ports

    with opened(Iceoryx2(depth=2)) as place:
        receiver, sender = place.receiver(), place.sender()
        assert sender.send([b"asks"], PATIENCE_S)
        delivery = taken(receiver)

        def none_left(_: int) -> None:
            raise ports.NONE_LEFT

        receiver._loan = none_left
        delivery.reply([b"answer"])
        reply = sender.reply(PATIENCE_S)
        assert reply is not None
        assert bytes(reply.view) == b"answer"

        monkeypatch.setattr(ports, "_CLEARING_S", 0.05)
        node, publisher = receiver._kept[0], receiver._kept[-1]
        kept = []
        with pytest.raises(BrokerError, match="no sample is left"):
            while True:
                kept.append(ports.lend(node, publisher, 1))
        assert kept
        settle(delivery)


def test_what_a_dead_producer_left_is_delivered_and_not_counted_for_its_successor() -> None:
    with opened(Iceoryx2(depth=2)) as place:
        receiver, first = place.receiver(), place.sender()
        assert first.send([b"left behind"], PATIENCE_S)
        old = taken(receiver)
        second = place.sender()
        assert [second.send([b"%d" % number], 0) for number in range(2)] == [True, True]
        old.reply([b"to the first"])
        settle(old)
        assert second.reply(0.02) is None
        assert not second.send([b"full"], 0.02)
        seen = first.reply(PATIENCE_S)
        assert seen is not None
        assert bytes(seen.view) == b"to the first"
        assert [bytes(taken(receiver).view) for _ in range(2)] == [b"0", b"1"]
