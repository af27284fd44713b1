"""Facts about what is left behind: nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchkit.runtime.folders import SEGMENTS
from benchkit.testing.letters import Post, letter
from benchkit.testing.report import promise
from benchkit.testing.rig import Check

_JOIN_S = 1.0
"""A thread that was told to end may still be on its last lines."""
_DESCRIPTORS = Path("/proc/self/fd")


class _UserError(Exception):
    """Stands for whatever may go wrong between `prepare` and its exit."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What this process holds at one moment."""

    threads: frozenset[threading.Thread]
    descriptors: Counter[str]
    children: frozenset[int]
    listening: frozenset[tuple[object, ...]]

    @classmethod
    def now(cls) -> Traces:
        """Threads, open descriptors, child processes, listening TCP sockets."""
        process = psutil.Process()
        listening = {
            tuple(each.laddr) for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN
        }
        return cls(
            frozenset(thread for thread in threading.enumerate() if not thread.name.startswith("check-")),
            _descriptors(),
            frozenset(child.pid for child in process.children(recursive=True)),
            frozenset(listening),
        )

    def compare(self, before: Traces, *, first_use: bool = False) -> None:
        """BrokenPromise when anything is held now that was not held `before`.

        On `first_use` since then a library may have opened pipes and event descriptors of its own that last
        as long as the process (libuv's signal pipe, say); growth with each further use is never forgiven.
        """
        give_up = time.monotonic() + _JOIN_S
        for thread in self.threads - before.threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        running = [thread.name for thread in self.threads - before.threads if thread.is_alive()]
        promise(not running, f"threads are still running: {running}")
        promise(not self.children - before.children, "child processes are still running")
        promise(
            not self.listening - before.listening,
            f"sockets still listen: {self.listening - before.listening}",
        )
        # Numbers change from cycle to cycle, so kinds are counted: sockets, pipes, each file.
        more = self.descriptors - before.descriptors
        if first_use:
            more = Counter(
                {kind: count for kind, count in more.items() if kind not in ("pipe", "anon_inode")}
            )
        promise(not more, f"file descriptors were left open: {dict(more)}")


def _descriptors() -> Counter[str]:
    """Open descriptors of this process by what they are (Linux; elsewhere none are seen)."""
    kinds: Counter[str] = Counter()
    if _DESCRIPTORS.is_dir():
        for entry in _DESCRIPTORS.iterdir():
            with suppress(OSError):  # the one that listed the folder is gone
                kinds[str(entry.readlink()).partition(":")[0]] += 1
    return kinds


def nothing_in(folder: Path, name: str) -> None:
    """BrokenPromise when `folder` holds a file, or shared memory carries `name`."""
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
    promise(not left, f"files are left in the private folder: {left}")
    if SEGMENTS.is_dir():
        segments = [path.name for path in SEGMENTS.iterdir() if name in path.name]
        promise(not segments, f"shared memory is left: {segments}")


def _cycle(check: Check, *, hold: bool, fail: bool) -> None:
    post, replies = Post(), Post()
    try:
        with check.rig(workers=2) as rig:
            name, folder = rig.setup.name, rig.setup.folder
            for seq in range(3):
                rig.send(letter(seq, 2000), 0.5)
                post.add(letter(seq, 2000))
            taken = rig.receive(0.05) or rig.receive(0.05, 1)
            if taken is not None and not hold:
                answer = letter(post.accept(taken.view), 300)
                replies.add(answer)
                rig.settle(taken, answer)
            if fail:
                raise _UserError  # noqa: TRY301  (it has to pass through the exit of prepare)
    except _UserError:
        pass
    nothing_in(folder, name)


def nothing_is_left(check: Check) -> None:
    """Ends are closed twenty times over: in peace, with messages held and under way, and after an error."""
    # What is shared by the cells of a run, a broker say, starts in the first cycle and may stay.
    _cycle(check, hold=False, fail=False)
    before = Traces.now()
    for turn in range(5 if check.quick else 20):
        _cycle(check, hold=turn % 3 == 1, fail=turn % 3 == 2)
    Traces.now().compare(before)
