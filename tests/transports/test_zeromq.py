"""Facts of the zeromq transport that the conformance suite cannot know."""

import stat

import psutil
import pytest
from opened import PATIENCE_S, opened, settle, taken

from benchkit.errors import BrokerError
from benchkit.testing import check_transport
from benchkit.transports._zeromq.place import endpoint
from benchkit.transports.zeromq import Zeromq

zmq = pytest.importorskip("zmq")


def test_tcp_keeps_the_promises_of_the_seam() -> None:
    assert len(check_transport(Zeromq(via="tcp"), quick=True).held) >= 16


@pytest.mark.parametrize("nbytes", [1, 64])
def test_a_limit_that_is_shorter_than_its_handshake_lets_messages_through(nbytes: int) -> None:
    with opened(Zeromq(), message_bytes=nbytes) as place:
        receiver, sender = place.receiver(), place.sender()
        assert sender.send([b"x" * nbytes], PATIENCE_S)
        assert taken(receiver).view == b"x" * nbytes


def test_tcp_listens_on_loopback_alone() -> None:
    with opened(Zeromq(via="tcp")) as place:
        place.receiver()
        port = int(endpoint(place.address.where, 0).rpartition(":")[2])
        listening = [
            each.laddr
            for each in psutil.Process().net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port
        ]
        assert [address.ip for address in listening] == ["127.0.0.1"]


@pytest.mark.parametrize("identity", [b"stranger", b""])
def test_what_comes_without_the_key_is_not_delivered(identity: bytes) -> None:
    with opened(Zeromq(via="tcp")) as place, zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        receiver, sender = place.receiver(), place.sender()
        stranger.linger = 0
        if identity:
            stranger.routing_id = identity
        stranger.connect(endpoint(place.address.where, 0))
        stranger.send(b"not yours")
        stranger.send_multipart([b"not", b"yours"])
        assert stranger.poll(100) == 0
        assert sender.send([b"mine"], PATIENCE_S)
        delivery = taken(receiver)
        assert bytes(delivery.view) == b"mine"
        settle(delivery)
        assert receiver.receive(0.05) is None


def test_only_the_owner_may_connect() -> None:
    with opened(Zeromq()) as place:
        place.receiver()
        (path,) = place.folder.rglob("*.sock")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def test_a_sender_without_workers_says_so() -> None:
    with opened(Zeromq()) as place, pytest.raises(BrokerError, match="no worker listens"):
        place.sender()


def test_acknowledgements_out_of_order_free_the_right_number_of_places() -> None:
    with opened(Zeromq(depth=3)) as place:
        receiver, sender = place.receiver(), place.sender()
        assert [sender.send([b"%d" % number], 0) for number in range(4)] == [True, True, True, False]
        held = [taken(receiver) for _ in range(3)]
        settle(held[2])
        settle(held[0])
        assert [sender.send([b"x"], PATIENCE_S) for _ in range(2)] == [True, True]
        assert not sender.send([b"x"], 0.05)


def test_a_large_buffer_is_not_used_again_while_libzmq_reads_it() -> None:
    nbytes = 3 << 20
    with opened(Zeromq(depth=4), message_bytes=nbytes) as place:
        receiver, sender = place.receiver(), place.sender()
        for first in range(0, 40, 4):
            for number in range(first, first + 4):
                assert sender.send([bytes([number]) * nbytes], PATIENCE_S)
            for number in range(first, first + 4):
                delivery = taken(receiver)
                assert delivery.view == bytes([number]) * nbytes
                settle(delivery)
