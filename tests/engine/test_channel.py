"""The control channel carries plain data and notices that the other end is gone."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.engine.channel import Channel

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=20)
    | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def pair():
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
def test_what_goes_in_comes_out(message):
    near, far = pair()
    near.send(message)
    assert far.recv() == message
    near.close(), far.close()


def test_a_message_larger_than_the_sockets_buffer():
    near, far = pair()
    message = {"columns": bytes(8 << 20)}
    sending = threading.Thread(target=near.send, args=(message,))
    sending.start()
    assert far.recv() == message
    sending.join()
    near.close(), far.close()


@pytest.mark.parametrize("cut", [0, 3, 8, 9])
def test_an_end_that_closes_in_mid_message_is_the_end(cut):
    ours, theirs = socket.socketpair()
    ours.sendall((b"\x05" + bytes(7) + b"\x81\xa1a\x01")[:cut])
    ours.close()
    with pytest.raises(EOFError):
        Channel(theirs).recv()
    theirs.close()


def test_an_absurd_length_is_refused_before_memory_is_taken():
    ours, theirs = socket.socketpair()
    ours.sendall(b"\xff" * 8)
    with pytest.raises(EOFError):
        Channel(theirs).recv()
    ours.close(), theirs.close()
