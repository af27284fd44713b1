"""zeromq, mp-queue and iceoryx2 beside unix, shm, and a real multiprocessing.Queue.

Not a test: run `python tests/transports/measure_direct.py [seconds for each size]`: a producer here, a worker in
another process, one message in flight, a 5-byte reply; random turns, medians compared.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import sys
import time
from contextlib import ExitStack, contextmanager

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import registry

REPLY = b"reply"
SIZES = (64, 6_220_800)
WAYS = ("unix", "shm", "zeromq", "zeromq tcp", "mp-queue", "iceoryx2", "multiprocessing.Queue")
spawn = multiprocessing.get_context("spawn")


def config(way):
    kind, _, via = way.partition(" ")
    return {"kind": kind} | ({"via": via} if via else {})


def serve(way, address, ready):
    receiver = registry.build(config(way)).receiver(address, 0)
    ready.set()
    while True:
        if (delivery := receiver.receive(1.0)) is not None:
            last = delivery.view.nbytes == 1
            delivery.reply((REPLY,))
            delivery.ack()
            delivery.release()
            if last:
                receiver.close()
                return


def echo(messages, replies, ready):
    ready.set()
    while len(messages.get()) > 1:
        replies.put(REPLY)
    replies.put(REPLY)


@contextmanager
def queue():
    """What a programmer writes: bytes into one queue, an answer out of another."""
    ready, messages, replies = spawn.Event(), spawn.Queue(8), spawn.Queue(8)
    process = spawn.Process(target=echo, args=(messages, replies, ready))
    process.start()
    ready.wait()

    def trip(parts):
        messages.put(b"".join(parts))
        replies.get()

    yield trip
    trip((b"x",))
    process.join()


@contextmanager
def ends(way, site):
    """The transport as the engine uses it."""
    transport, ready = registry.build(config(way)), spawn.Event()
    with transport.prepare(site.setup(max(SIZES) + 64, 64, 1)) as address:
        process = spawn.Process(target=serve, args=(way, address, ready))
        process.start()
        ready.wait()
        sender = transport.sender(address)

        def trip(parts):
            while not sender.send(parts, 1.0):
                pass
            while sender.reply(1.0) is None:
                pass

        yield trip
        trip((b"x",))
        sender.close()
        process.join()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    chance = random.Random(4)
    with run_folder() as (name, folder), ExitStack() as stack:
        site = Site(name, folder, stack)
        trips = {
            way: stack.enter_context(queue() if way.startswith("multi") else ends(way, site)) for way in WAYS
        }
        for nbytes in SIZES:
            parts = (bytes(32), bytearray(nbytes - 32))
            times = {way: [] for way in WAYS}
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for way in chance.sample(WAYS, len(WAYS)):
                    for _ in range(20 if nbytes < 4096 else 1):
                        before = time.perf_counter_ns()
                        trips[way](parts)
                        times[way].append(time.perf_counter_ns() - before)
            middle = {way: statistics.median(sample[len(sample) // 10 :]) for way, sample in times.items()}
            print(f"{nbytes} bytes, round trip")  # noqa: T201  (a program's output)
            for way, ns in middle.items():
                ratios = ", ".join(f"{ns / middle[base]:.2f} x {base}" for base in ("unix", "shm", WAYS[-1]))
                print(f"  {way:22} {ns / 1000:9.1f} us  {ratios}  ({len(times[way])})")  # noqa: T201  (as above)


if __name__ == "__main__":
    main()
