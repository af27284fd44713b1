"""benchkit's command line in a process that signals itself at one of its own operations on files and processes.

`python killer.py AT SIGNAL FILE run ...`: just before operation number AT; with AT 0 never, and their number is
written to FILE at the end. Python tells of them as they happen (sys.addaudithook), so no moment is too short to be
met: between two files of the same folder there are microseconds.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_MEANT = {
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "shutil.rmtree", "fcntl.flock",
    "subprocess.Popen", "socket.__new__", "socket.bind", "socket.connect", "socket.sendmsg", "os.kill",
}  # fmt: skip


def main() -> None:
    at, number, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    runner, seen = os.getpid(), 0

    def operation(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if not (writes or event in _MEANT) or os.getpid() != runner:
            return
        seen += 1
        if seen == at:
            os.kill(runner, number)

    if not at:
        atexit.register(lambda: Path(file).write_text(str(seen)))
    sys.addaudithook(operation)
    sys.argv = ["benchkit", *sys.argv[4:]]
    from benchkit.cli import main as benchkit

    benchkit()


if __name__ == "__main__":
    main()
