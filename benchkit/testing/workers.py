"""Facts about workers: two share the work; what one held that leaves or dies fares as declared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Barrier, BrokenBarrierError, get_ident

from benchkit.testing.letters import Post, letter
from benchkit.testing.party import Party
from benchkit.testing.report import BrokenPromise, CannotTry, promise
from benchkit.testing.rig import Check, Rig, settle
from benchkit.transports.base import Delivery

_QUIET_S = 0.2
_START_S = 20.0
"""How long a child process may take to start on a busy machine, beyond the check's patience."""


def two_share(check: Check) -> None:
    """Everything exactly once, and a worker that is busy does not keep the other from getting messages."""
    count = 60 if check.quick else 300
    post = Post([letter(seq, 3000) for seq in range(count)])
    both_hold_one = Barrier(2)
    seen: set[int] = set()

    def handle(delivery: Delivery, _: int) -> None:
        worker = get_ident()  # each worker is a thread
        if worker not in seen:
            seen.add(worker)
            try:
                both_hold_one.wait(check.patience_s / 2)
            except BrokenBarrierError:
                raise BrokenPromise(
                    "one worker got no message while the other was busy with its first"
                ) from None
        settle(delivery)

    with check.rig(workers=2) as rig:
        shares = rig.stream(post, handle)
    post.once()
    if check.capabilities.ordering != "none":
        for share in shares:
            promise(share == sorted(share), "one worker's messages came out of order")


def acked_never_again(check: Check) -> None:
    """A receiver is closed with one message acknowledged and one not; its successor has the same number."""
    post = Post()
    with check.rig() as rig:
        rig.settle(rig.deliver(post, letter(0, 5000)))
        rig.deliver(post, letter(1, 5000))
        rig.close_receiver()
        rig.open_receiver()
        again = [1] if check.capabilities.delivery != "at-most-once" else []
        _come_again(rig, post, again)
        _reachable(rig, post, certain=bool(again))
    promise(post.arrived.count(0) == 1, "an acknowledged message was delivered again")


def killed_worker(check: Check) -> None:
    """A worker process is killed with SIGKILL while it holds a message, and is started again."""
    if check.capabilities.same_process:
        raise CannotTry("a worker is a thread of the producer's process and cannot die alone")
    post = Post()
    with check.rig(open_ends=False) as rig:
        with _process(check, rig) as (process, hears):
            hears("ready")
            rig.open_sender()
            post.add(letter(0, 5000))
            promise(
                rig.wait_sent(rig.begin_send(post.letters[0])), "send found no room in an empty transport"
            )
            hears("held 0")
            post.arrived.append(0)
            process.kill()
            process.wait()
        rig.open_receiver()
        again = [0] if check.capabilities.delivery != "at-most-once" else []
        _come_again(rig, post, again)
        _reachable(rig, post, certain=bool(again))


def _come_again(rig: Rig, post: Post, numbers: list[int]) -> None:
    """Exactly the messages of `numbers` are delivered again."""
    wanted = set(numbers)
    while wanted:
        delivery = rig.receive(rig.patience_s)
        if delivery is None:
            raise BrokenPromise(
                f"message {min(wanted)} was held by a worker that went away, and is not delivered again"
            )
        seq = post.accept(delivery.view)
        promise(seq in wanted, f"message {seq} was delivered again")
        wanted.discard(seq)
        rig.settle(delivery)
    extra = rig.receive(_QUIET_S)
    if extra is not None:
        raise BrokenPromise(f"message {post.accept(extra.view)} was delivered again")


def _reachable(rig: Rig, post: Post, *, certain: bool) -> None:
    """The new receiver gets what is sent from now on; without a guarantee, the first of it may be lost."""
    give_up = time.monotonic() + rig.patience_s
    seq = max(post.letters)
    while time.monotonic() < give_up:
        seq += 1
        post.add(letter(seq, 5000))
        sent = rig.wait_sent(rig.begin_send(post.letters[seq]))
        delivery = rig.receive(rig.patience_s if certain else _QUIET_S)
        if delivery is not None:
            post.accept(delivery.view)
            rig.settle(delivery)
            return
        promise(not (certain and sent), "a message sent to a worker that was started again is lost")
    raise BrokenPromise("a receiver opened later for the same worker number gets no messages")


@contextmanager
def _process(check: Check, rig: Rig) -> Iterator[tuple[subprocess.Popen[str], Hears]]:
    cls = type(check.transport)
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise CannotTry("the transport's class cannot be imported in another process")
    order = {
        "parent_pid": os.getpid(),
        "target": f"{cls.__module__}:{cls.__qualname__}",
        "options": rig.transport.model_dump(mode="json"),
        "address": {**asdict(rig.address), "where": dict(rig.address.where)},
        "worker": 0,
        "patience_s": check.patience_s + _START_S,
    }
    process = check.runner.do("starting a process", _start)
    try:
        assert process.stdin is not None  # noqa: S101  (it is a pipe)
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        yield process, Hears(process, check.patience_s)
    finally:
        process.kill()
        process.communicate()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchkit.testing.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


class Hears:
    """Waits for a line of a child process."""

    def __init__(self, process: subprocess.Popen[str], patience_s: float) -> None:
        self._process = process
        self._patience_s = patience_s

    def __call__(self, line: str) -> None:
        """BrokenPromise unless the next line is `line`."""
        assert self._process.stdout is not None  # noqa: S101  (it is a pipe)
        party = Party("ear", self._patience_s)
        try:
            heard = party.finish(
                party.begin(self._process.stdout.readline), f"a worker process ({line})", _START_S
            )
        finally:
            party.leave()
        promise(heard.strip() == line, f"a worker process said {heard.strip()!r} and not {line!r}")
