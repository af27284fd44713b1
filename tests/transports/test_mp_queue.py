"""Facts of the mp-queue transport that the conformance suite cannot know."""

import gc
import multiprocessing
import socket

import pytest
from opened import PATIENCE_S, opened, settle, taken

from benchkit.errors import Rejected
from benchkit.transports._mp_queue.sender import HELLO
from benchkit.transports.mp_queue import MpQueue


def test_an_object_that_arrives_stays_bytes() -> None:
    """A frame that multiprocessing.Queue would load, and in loading call `print`."""
    hostile = b"cbuiltins\nprint\n(S'executed'\ntR."
    with opened(MpQueue()) as place:
        receiver, sender = place.receiver(), place.sender()
        assert sender.send([hostile], PATIENCE_S)
        delivery = taken(receiver)
        assert bytes(delivery.view) == hostile
        delivery.reply([hostile])
        settle(delivery)
        seen = sender.reply(PATIENCE_S)
        assert seen is not None
        assert bytes(seen.view) == hostile


def test_who_sends_a_longer_frame_than_announced_is_sent_away_and_the_next_is_heard() -> None:
    with opened(MpQueue(), message_bytes=1000) as place:
        receiver = place.receiver()
        (path,) = place.folder.rglob("*.sock")
        there, here = multiprocessing.Pipe(duplex=False)
        with there, here, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
            stranger.connect(str(path))
            socket.send_fds(stranger, [HELLO], [there.fileno(), here.fileno(), here.fileno()])
            here.send_bytes(bytes(1002))
            assert receiver.receive(0.05) is None
            assert stranger.recv(1) == b""
        sender = place.sender()
        assert sender.send([b"fits"], PATIENCE_S)
        settle(taken(receiver))
        with pytest.raises(Rejected):
            sender.send([bytes(1001)], 0)


def test_a_caller_that_hands_over_nothing_is_sent_away() -> None:
    with opened(MpQueue()) as place:
        receiver = place.receiver()
        (path,) = place.folder.rglob("*.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
            stranger.connect(str(path))
            stranger.send(HELLO)
            assert receiver.receive(0.05) is None
            assert stranger.recv(1) == b""
        sender = place.sender()
        assert sender.send([b"fits"], PATIENCE_S)
        settle(taken(receiver))


def test_send_does_not_wait_for_a_pipe_that_is_full() -> None:
    nbytes = 1 << 20
    with opened(MpQueue(depth=3), message_bytes=nbytes) as place:
        receiver, sender = place.receiver(), place.sender()
        assert [sender.send([bytes([number]) * nbytes], 0) for number in range(4)] == [True] * 3 + [False]
        for number in range(3):
            delivery = taken(receiver)
            assert delivery.view == bytes([number]) * nbytes
            settle(delivery)
    gc.collect()
