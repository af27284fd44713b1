"""What tests of links do with sockets."""

import socket
import threading
import time


def exactly(sock, nbytes):
    data = bytearray(nbytes)
    view = memoryview(data)
    while view.nbytes:
        got = sock.recv_into(view)
        assert got, f"the stream ended {view.nbytes} bytes too early"
        view = view[got:]
    return bytes(data)


def in_background(run, *arguments):
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    thread.start()
    return thread


def until(done, patience_s=20.0):
    """Ask again and again: what is awaited happens in another process."""
    give_up = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > give_up:
            return False
    return True


def is_reset(port):
    """Whether a connection to this port comes to nothing: when it is made, or at the first read."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.recv(1)
    except ConnectionResetError:
        return True
    return False
