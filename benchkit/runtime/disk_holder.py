"""Holds a mount namespace with one tmpfs: `python disk_holder.py PARENT_PID FD FOLDER BYTES`; see disk.py.

Nothing but the standard library, so that it is there in milliseconds. Says `mounted`, or why not, on FD.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
_PR_SET_PDEATHSIG = 1


def _check(code: int, what: str) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123  (pathlib costs the start milliseconds)
        file.write(text)


def mount(folder: str, nbytes: int) -> None:
    """A tmpfs on `folder`, in namespaces of this process alone; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _check(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
    options = f"size={nbytes},mode=0700".encode()
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options), "mount tmpfs")


def main() -> None:
    """Mount, say so, and wait for the end."""
    parent, say, folder, nbytes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    try:
        mount(folder, nbytes)
        answer = "mounted"
    except OSError as error:
        answer = str(error.strerror)
    # A change of credentials may have taken the guard's promise back.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.write(say, answer.encode())
    os.close(say)
    while answer == "mounted" and os.getppid() == parent:
        signal.pause()


if __name__ == "__main__":
    main()
