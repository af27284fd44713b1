"""Who only waits on a TCP connection learns that its other end is gone without a word."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALONE = """
import ctypes, fcntl, os, select, socket, struct, sys
from benchkit.transports import links

libc = ctypes.CDLL(None, use_errno=True)
uid = os.getuid()
if libc.unshare(0x10000000 | 0x40000000):
    sys.exit(77)
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)


def loopback(up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any:
        fcntl.ioctl(any, 0x8914, struct.pack("16sh", b"lo", 1 if up else 0))


loopback(True)
listener = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(listener.getsockname())
far, _ = listener.accept()
links._KEEPALIVE = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 1}
if sys.argv[1] == "asked":
    links.link(near)
# From here on nothing arrives, and nobody is told.
loopback(False)
if not select.select([near], [], [], 6.0 if sys.argv[1] == "asked" else 3.0)[0]:
    sys.exit("silent")
try:
    near.recv(1)
except TimeoutError:
    sys.exit("gone")
"""


def alone(how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ALONE, how], stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    _, words = process.communicate(timeout=60)
    if process.returncode == 77 or "/proc/self" in words:
        pytest.skip("this user may have no network namespace of its own")
    return words.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_connection_whose_other_end_vanished_breaks():
    asked, unasked = alone("asked"), alone("not asked")
    # The second shows that nothing else would have told.
    assert [said(asked), said(unasked)] == ["gone", "silent"]
