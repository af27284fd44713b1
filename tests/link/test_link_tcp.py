"""TCP through the proxy's process, over real sockets."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from random import Random

import psutil
import pytest
from streams import exactly, in_background, is_reset, until

from benchkit.errors import PartyError
from benchkit.link.plan import Blackout, Endpoint, Impairment
from benchkit.link.process import link_process

MS = 1_000_000
SHAPED = Impairment(2 * MS, MS // 2, 0, "gamma", rate_bytes_per_s=80e6)


@pytest.mark.parametrize(
    "impaired", [Impairment(), Impairment(MS), SHAPED, Impairment(rate_bytes_per_s=50e6)]
)
def test_every_byte_arrives_in_order_both_ways_at_once(led, pair, impaired):
    _, port = led(impaired, impaired)
    near, far = pair(port)
    up, down = Random(1).randbytes(5_000_000), Random(2).randbytes(3_000_000)
    sending = [in_background(near.sendall, up), in_background(far.sendall, down)]
    got = {}
    taking = in_background(lambda: got.update(up=exactly(far, len(up))))
    assert exactly(near, len(down)) == down
    taking.join(20)
    assert got["up"] == up
    for thread in sending:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("impaired", [Impairment(), SHAPED])
def test_half_closed_connections_stay_open_the_other_way(led, pair, impaired):
    _, port = led(impaired, impaired)
    near, far = pair(port)
    near.sendall(b"question")
    near.shutdown(socket.SHUT_WR)
    assert exactly(far, 8) == b"question"
    assert far.recv(1) == b""
    far.sendall(b"answer")
    far.shutdown(socket.SHUT_WR)
    assert exactly(near, 6) == b"answer"
    assert near.recv(1) == b""


def test_a_closed_connection_is_closed_on_both_sides_and_forgotten(led, pair):
    link, port = led()
    near, far = pair(port)
    near.close()
    assert far.recv(1) == b""
    far.close()
    assert until(lambda: link.stats()["open"] == 0)


@pytest.mark.parametrize("impaired", [Impairment(), SHAPED])
def test_a_reset_reaches_the_other_side_as_a_reset(led, pair, impaired):
    _, port = led(impaired, impaired)
    near, far = pair(port)
    near.sendall(b"x")
    exactly(far, 1)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    near.close()
    with pytest.raises(ConnectionResetError):
        far.recv(1)


def test_where_nobody_listens_the_client_is_reset(process):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    link = process.open(Impairment(), Impairment(), "1")
    assert is_reset(link.lead(Endpoint("127.0.0.1", port)))
    link.close()


def test_a_server_that_tells_its_port_later_is_found_when_it_has(process, server, pair, tmp_path):
    told = tmp_path / "port"
    link = process.open(Impairment(), Impairment(), "1")
    port = link.lead(Endpoint("127.0.0.1", port_file=str(told)))
    assert is_reset(port)
    told.write_text(str(server.getsockname()[1]))
    near, far = pair(port)
    near.sendall(b"hello")
    assert exactly(far, 5) == b"hello"
    link.close()


def test_hundreds_of_connections_each_get_their_own_bytes(led, server):
    link, port = led(Impairment(MS), Impairment())
    count = 300
    nears = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
    for number, near in enumerate(nears):
        near.sendall(number.to_bytes(4, "little"))
    fars = [server.accept()[0] for _ in range(count)]
    for far in fars:
        far.settimeout(20)
        far.sendall(exactly(far, 4) * 2)
    for number, near in enumerate(nears):
        assert exactly(near, 8) == number.to_bytes(4, "little") * 2
    assert link.stats()["connections"] == count
    for sock in (*nears, *fars):
        sock.close()
    assert until(lambda: link.stats()["open"] == 0)


@pytest.mark.parametrize(
    "impaired", [Impairment(), Impairment(rate_bytes_per_s=1e5), Impairment(10_000 * MS, queue_bytes=1 << 20)]
)
def test_a_sender_that_is_faster_is_held_back_and_memory_stays_bounded(led, pair, process, impaired):
    _, port = led(impaired)
    near, _far = pair(port)
    near.setblocking(False)
    before = psutil.Process(process.pid).memory_info().rss
    chunk, sent, idle = bytes(1 << 16), 0, 0
    while idle < 20 and sent < (64 << 20):
        try:
            sent += near.send(chunk)
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.01)  # polling for room, as the socket's window opens in steps
    assert sent < (48 << 20), "nothing held the sender back"
    assert psutil.Process(process.pid).memory_info().rss - before < (24 << 20)


def test_a_receiver_that_pauses_gets_everything_in_the_end(led, pair):
    _, port = led(Impairment(MS, queue_bytes=1 << 16))
    near, far = pair(port)
    data = Random(5).randbytes(12 << 20)
    sending = in_background(near.sendall, data)
    sending.join(0.2)
    assert sending.is_alive()
    assert exactly(far, len(data)) == data
    sending.join(20)
    assert not sending.is_alive()


def test_connections_share_the_rate_of_their_link(led, pair):
    link, port = led(Impairment(rate_bytes_per_s=4e6))
    pairs = [pair(port) for _ in range(3)]
    sending = [in_background(near.sendall, bytes(600_000)) for near, _ in pairs]
    for _, far in pairs:
        exactly(far, 600_000)
    for thread in sending:
        thread.join(20)
    seen = link.stats()["up"]
    # What each connection alone would have taken is a third of this.
    assert seen["busy_s"] >= 0.9 * 1_800_000 / 4e6
    assert seen["bytes"] == 1_800_000


# Faults -----------------------------------------------------------------------------------------------


def test_a_reset_by_command_hits_both_ends_and_new_connections_work(led, pair):
    link, port = led()
    near, far = pair(port)
    near.sendall(b"x")
    exactly(far, 1)
    assert link.reset() == 1
    for sock in (near, far):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    again, there = pair(port)
    again.sendall(b"y")
    assert exactly(there, 1) == b"y"


def test_half_open_connections_hear_nothing_not_even_the_end(led, pair):
    link, port = led()
    near, far = pair(port)
    near.sendall(b"x")
    exactly(far, 1)
    assert link.half_open() == 1
    near.sendall(b"lost")
    near.close()
    far.settimeout(0.3)
    with pytest.raises(TimeoutError):
        far.recv(1)
    other, there = pair(port)
    other.sendall(b"y")
    assert exactly(there, 1) == b"y"


def test_a_blackout_by_command_holds_back_and_then_delivers_all(led, pair):
    link, port = led()
    near, far = pair(port)
    near.sendall(b"a")
    exactly(far, 1)
    link.black_out(0.4)
    began = time.monotonic()
    near.sendall(b"bcd")
    assert exactly(far, 3) == b"bcd"
    assert time.monotonic() - began >= 0.35
    seen = link.stats()["up"]
    assert seen["blacked_out"] == 1
    near.sendall(b"e")
    assert exactly(far, 1) == b"e"
    assert link.stats()["up"]["blacked_out"] == 1


def test_a_scheduled_blackout_is_counted_from_the_first_byte(led, pair):
    link, port = led(Impairment(blackouts=(Blackout(0, 300 * MS),)))
    near, far = pair(port)
    began = time.monotonic()
    near.sendall(b"a")
    exactly(far, 1)
    assert time.monotonic() - began >= 0.28
    assert link.stats()["up"]["blacked_out"] == 1


# The process ------------------------------------------------------------------------------------------


def test_the_process_ends_with_its_context_and_takes_its_ports_along(server):
    with link_process() as running:
        link = running.open(Impairment(), Impairment(), "1")
        port = link.lead(Endpoint("127.0.0.1", server.getsockname()[1]))
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
        pid = running.pid
    assert not psutil.pid_exists(pid)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_a_killed_process_is_an_error_with_words(server):
    with link_process() as running:
        link = running.open(Impairment(), Impairment(), "1")
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(PartyError, match="impairs the link is gone"):
            while True:
                link.stats()


def test_the_process_dies_with_whoever_started_it():
    script = (
        "import sys, time\nfrom benchkit.link.process import link_process\n"
        "with link_process() as p:\n print(p.pid, flush=True)\n time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_an_order_that_cannot_be_obeyed_says_why(process):
    with pytest.raises(PartyError, match="could not stats"):
        process.ask("stats", link=10**6)
