"""One way through shared memory beside a copy handed over by a spinning flag, a loan, and iceoryx2.

Not a test: run `python tests/transports/measure_shm.py [rounds]`: a producer here, a worker in another process,
one message in flight; both spin. A message's time runs from before `send` to after
`receive` by the one clock of the machine. Ways take turns in random order; ratios are medians of the rounds'
ratios with their 95 % interval (order statistics).
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import random
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import registry

SIZES = (64, 6_220_800)
COUNT = {64: 100, 6_220_800: 12}
WAYS = ("floor", "shm", "loan", "iceoryx2")
DEPTH = 8
SPIN_S = 3e-3
"""Longer than any of these messages takes, short enough that ways whose turn it is not sleep."""
spawn = multiprocessing.get_context("spawn")


def config(way):
    return {"kind": "iceoryx2" if way == "iceoryx2" else "shm", "spin": SPIN_S, "depth": DEPTH}


def serve(way, address, stamps, ready):
    receiver = registry.build(config(way)).receiver(address, 0)
    words = memoryview(stamps).cast("B").cast("Q")
    clock = time.monotonic_ns
    ready.set()
    while True:
        delivery = receiver.receive(1.0)
        now = clock()
        if delivery is None:
            continue
        last = delivery.view.nbytes == 1
        words[0] = now
        delivery.reply((b"reply",))
        delivery.ack()
        delivery.release()
        if last:
            receiver.close()
            return


def spin_on(stamps, pipe):
    words = memoryview(stamps).cast("B").cast("Q")
    clock = time.monotonic_ns
    seen = 0
    while count := pipe.recv():
        pipe.send("spinning")
        for _ in range(count):
            while (turn := words[8]) == seen:
                pass
            words[0] = clock()
            seen = turn
            words[16] = turn


@contextmanager
def floor():
    """Copy into one warm buffer, then raise a flag."""
    here, there = spawn.Pipe()
    stamps = spawn.RawArray("Q", 64)
    slots = mmap.mmap(-1, max(SIZES))
    for at in range(0, len(slots), mmap.PAGESIZE):
        slots[at] = 1
    view = memoryview(slots)
    process = spawn.Process(target=spin_on, args=(stamps, there))
    process.start()
    words = memoryview(stamps).cast("B").cast("Q")
    clock = time.monotonic_ns
    turn = 0

    def trip(payload):
        nonlocal turn
        turn += 1
        before = clock()
        view[: len(payload)] = payload
        words[8] = turn
        while words[16] != turn:
            pass
        return words[0] - before

    def trips(payload, count):
        here.send(count)
        here.recv()
        return [trip(payload) for _ in range(count)]

    yield trips
    here.send(0)
    process.join()


@contextmanager
def ends(way, site):
    transport, ready = registry.build(config(way)), spawn.Event()
    stamps = spawn.RawArray("Q", 64)
    words = memoryview(stamps).cast("B").cast("Q")
    clock = time.monotonic_ns
    with transport.prepare(site.setup(max(SIZES) + 64, 64, 1)) as address:
        process = spawn.Process(target=serve, args=(way, address, stamps, ready))
        process.start()
        ready.wait()
        sender = transport.sender(address)

        def trip(payload):
            parts = (payload,)
            before = clock()
            while not sender.send(parts, 1.0):
                pass
            while sender.reply(1.0) is None:
                pass
            return words[0] - before

        def lent(payload):
            slot = sender.loan(len(payload), 1.0)
            before = clock()
            slot.send(len(payload))
            while sender.reply(1.0) is None:
                pass
            return words[0] - before

        one = lent if way == "loan" else trip
        yield lambda payload, count: [one(payload) for _ in range(count)]
        trip(b"x")
        sender.close()
        process.join()


def interval(ratios):
    """Median and an interval of order statistics with 95 % (Hahn and Meeker, 1991, 5.3)."""
    ranked, count = sorted(ratios), len(ratios)
    away = int(0.98 * count**0.5) + 1
    low, high = max(0, count // 2 - away), min(count - 1, count // 2 + away)
    return f"{statistics.median(ranked):.2f} [{ranked[low]:.2f}, {ranked[high]:.2f}]"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    ways = [way for way in WAYS if len(sys.argv) < 3 or way in sys.argv[2]]
    chance = random.Random(4)
    with run_folder() as (name, folder), ExitStack() as stack:
        site = Site(name, folder, stack)
        trips = {way: stack.enter_context(floor() if way == "floor" else ends(way, site)) for way in ways}
        payloads = {nbytes: memoryview(bytearray(b"7" * nbytes)) for nbytes in SIZES}
        middle = {(way, nbytes): [] for way in ways for nbytes in SIZES}
        for number in range(rounds + 3):
            for way, nbytes in chance.sample(list(middle), len(middle)):
                trip, payload = trips[way], payloads[nbytes]
                times = trip(payload, COUNT[nbytes])
                if number >= 3:
                    middle[way, nbytes].append(statistics.median(times[len(times) // 4 :]) / 1000)
        report = {f"{way} {nbytes}": statistics.median(us) for (way, nbytes), us in middle.items()}
        print(json.dumps(report, indent=1))  # noqa: T201  (a program's output)
        small, large = SIZES
        pairs = [("shm", "floor"), ("iceoryx2", "shm"), ("loan", "floor")]
        for nbytes in SIZES:
            for over, under in pairs:
                if over in ways and under in ways:
                    both = zip(middle[over, nbytes], middle[under, nbytes], strict=True)
                    print(f"{nbytes} {over}/{under}: {interval([a / b for a, b in both])}")  # noqa: T201  (as above)
        if "loan" in ways:
            both = zip(middle["loan", large], middle["loan", small], strict=True)
            print(f"loan {large}/{small}: {interval([a / b for a, b in both])}")  # noqa: T201  (as above)


if __name__ == "__main__":
    main()
